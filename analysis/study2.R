# Study 2, politeness: shares of utterances and of negation, binomial tests, mixed-effects models, and the grids of both.
#
#   Rscript analysis/study2.R TABLE.csv OUT
#
# TABLE.csv is what `grace analyze study2 --input` reads, such as the table of `grace merge`. Written: means.csv,
# negation.csv and tests.csv, in the layout of `grace analyze`, and study2_utterances and study2_negation as PDF and PNG.

source(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))), "common.R"))

GOALS <- c("informational", "social", "both")
HEARTS <- 0:3
FRAMES <- c("was", "wasnt")
ASSESSMENTS <- c("terrible", "bad", "good", "amazing")
UTTERANCES <- paste(rep(FRAMES, each = 4), ASSESSMENTS, sep = "_")
CELLS <- data.frame(goal = rep(GOALS, each = 4), state = HEARTS)
SHOWN <- c("Domain", "Precontext", "Scenario", "Goal", "State", "SP_Name", "LS_Name")
CHANCE <- 1 / 8
CHANCE_OF_NEGATION <- 1 / 2
SHARE <- c("proportion", "low", "high", "n", "n_effective", "low_clustered", "high_clustered")

goal_of <- function(text) {
  social <- grepl("feel good", text, fixed = TRUE)
  informational <- grepl("accurate", text, fixed = TRUE)
  case_when(
    text %in% GOALS ~ text,
    text == "informative" ~ "informational",
    text == "kind" ~ "social",
    social & informational ~ "both",
    social ~ "social",
    informational ~ "informational"
  )
}

OF_TEXTS <- c("stimulus", "text")

# The trials that are analysed: goal, state, utterance, negated, stimulus, participant and item.
read_trials <- function(cells) {
  was <- cells[[needed(cells, "was or wasn't", "Was_Wasnt", "Was/Wasn't", "Was.Wasn.t")]]
  was <- trimws(tolower(gsub("[\u2018\u2019]", "'", was)))
  assessment <- trimws(tolower(cells[[needed(cells, "the adjective", "Assessment")]]))
  state <- sub("\\.0$", "", sub(" .*", "", trimws(cells[[needed(cells, "the true state", "State", "State_number", "state")]])))
  frame <- ifelse(was == "was", "was", ifelse(was %in% c("wasn't", "wasnt", "was not", "was n't"), "wasnt", "?"))
  trials <- data.frame(
    goal = goal_of(cells[[needed(cells, "the speaker's goal", "Goal", "goal", "Goal_simplified")]]),
    state = suppressWarnings(as.numeric(state)),
    utterance = paste(frame, assessment, sep = "_"),
    negated = as.numeric(frame == "wasnt"),
    stimulus = stimuli(cells, "Domain", SHOWN, c("Participant_ID", "goal", "State")),
    text = texts(cells, SHOWN, c("Participant_ID", "goal", "State")),
    participant = cell(cells, "Participant_ID"), item = cell(cells, "Domain")
  )
  trials[which(!failed(cells) & !is.na(trials$goal) & trials$state %in% HEARTS & trials$utterance %in% UTTERANCES), ]
}

share_of <- function(values, stimuli) {
  n <- length(values)
  if (!n) return(tibble(proportion = NA, low = NA, high = NA, n = 0, n_effective = 0, low_clustered = NA, high_clustered = NA))
  worth <- effective(values, stimuli)
  by_row <- wilson(mean(values), n)
  by_stimulus <- wilson(mean(values), worth)
  tibble(proportion = mean(values), low = by_row$low, high = by_row$high, n, n_effective = worth,
         low_clustered = by_stimulus$low, high_clustered = by_stimulus$high)
}

in_cell <- function(trials, place) trials[trials$goal == CELLS$goal[place] & trials$state == CELLS$state[place], ]

means_of <- function(trials) {
  bind_rows(lapply(seq_len(nrow(CELLS)), function(place) {
    own <- in_cell(trials, place)
    bind_rows(lapply(UTTERANCES, function(utterance) {
      tibble(CELLS[place, ], utterance, share_of(as.numeric(own$utterance == utterance), own[OF_TEXTS]))
    }))
  }))
}

negation_of <- function(trials) {
  bind_rows(lapply(seq_len(nrow(CELLS)), function(place) {
    own <- in_cell(trials, place)
    tibble(CELLS[place, ], share_of(own$negated, own[OF_TEXTS]))
  }))
}

tests_of <- function(trials) {
  cell_of <- paste(trials$goal, trials$state)
  negation <- function(prefix, test) {
    holm(bind_rows(lapply(seq_len(nrow(CELLS)), function(place) {
      own <- in_cell(trials, place)
      test(sprintf("%s:negation:%s-s%d", prefix, CELLS$goal[place], CELLS$state[place]), own$negated, own[OF_TEXTS],
           CHANCE_OF_NEGATION)
    })))
  }
  utterances <- function(prefix, test) {
    holm(bind_rows(lapply(seq_len(nrow(CELLS)), function(place) {
      own <- in_cell(trials, place)
      bind_rows(lapply(UTTERANCES, function(utterance) {
        test(sprintf("%s:utterance:%s-s%d:%s", prefix, CELLS$goal[place], CELLS$state[place], utterance),
             as.numeric(own$utterance == utterance), own[OF_TEXTS], CHANCE)
      }))
    })))
  }
  by_stimulus <- function(name, values, stimuli, chance) stimulus_tested(name, values, stimuli, "two.sided", chance)
  shares <- tapply(trials$negated, cell_of, mean)
  mixed <- lme4_tested(
    c("goal", "state"),
    transmute(trials, value = negated, first = factor(goal), second = factor(state), participant, item),
    c("participant", "item"),
    function(formula, data) glmer(formula, data, binomial, control = glmerControl("bobyqa", optCtrl = list(maxfun = 1e5))),
    note = if (any(shares %in% c(0, 1))) "complete separation: in a cell nobody or everybody says it" else "",
    n_effective = if (nrow(trials)) effective(trials$negated, trials[OF_TEXTS], cell_of) else NA
  )
  bind_rows(negation("binomial", binomial_tested), utterances("binomial", binomial_tested),
            negation("clustered", by_stimulus), utterances("clustered", by_stimulus), mixed)
}

# Intervals by the effective number of rows, where stimuli are known.
with_bars <- function(shares) {
  mutate(shares, low = coalesce(low_clustered, low), high = coalesce(high_clustered, high), goal = factor(goal, GOALS))
}

draw_utterances <- function(means, title) {
  shown <- with_bars(means) %>%
    separate(utterance, c("frame", "assessment"), "_") %>%
    mutate(assessment = factor(assessment, ASSESSMENTS), state = paste(state, ifelse(state == 1, "heart", "hearts")))
  apart <- position_dodge(0.3)
  ggplot(shown, aes(assessment, proportion, colour = frame, shape = frame, group = frame)) +
    geom_line(position = apart, na.rm = TRUE) +
    geom_errorbar(aes(ymin = low, ymax = high), width = 0.2, position = apart, na.rm = TRUE) +
    geom_point(position = apart, na.rm = TRUE) +
    no_data(distinct(filter(shown, n == 0), goal, state), 2.5, 0.5) +
    facet_grid(goal ~ state) +
    scale_colour_manual(values = c(was = BLUE, wasnt = VERMILLION), labels = c("It was ...", "It wasn't ...")) +
    scale_shape_manual(values = c(was = 16, wasnt = 15), labels = c("It was ...", "It wasn't ...")) +
    scale_y_continuous(limits = c(0, 1), breaks = c(0, 0.5, 1)) +
    labs(x = NULL, y = "share", title = if (title != "") title) +
    look() +
    theme(axis.text.x = element_text(angle = 45, hjust = 1))
}

draw_negation <- function(negation) {
  shown <- mutate(with_bars(negation), model = factor(model_name, unique(model_name)))
  apart <- position_dodge(0.12 * nlevels(shown$model))
  several <- nlevels(shown$model) > 1
  colours <- rep(c("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000"), length.out = nlevels(shown$model))
  shapes <- rep(c(16, 15, 17, 18, 25, 3, 4, 8, 1), length.out = nlevels(shown$model))
  ggplot(shown, aes(state, proportion, colour = model, shape = model, group = model)) +
    geom_line(linetype = "dotted", position = apart, na.rm = TRUE) +
    geom_errorbar(aes(ymin = low, ymax = high), width = 0.2, position = apart, na.rm = TRUE) +
    geom_point(position = apart, na.rm = TRUE) +
    facet_grid(~goal) +
    scale_colour_manual(values = colours) +
    scale_shape_manual(values = shapes) +
    scale_y_continuous(limits = c(0, 1), breaks = seq(0, 1, 0.25)) +
    guides(colour = guide_legend(ncol = 2), shape = guide_legend(ncol = 2)) +
    labs(x = "state (hearts)", y = "share of \"wasn't\"") +
    look() +
    theme(legend.position = if (several) "bottom" else "none")
}

given <- arguments("study2.R")
cells <- read_cells(given$table)
tables <- for_models(cells, function(own) {
  trials <- read_trials(own)
  list(means = means_of(trials), negation = negation_of(trials), tests = tests_of(trials))
})
for (name in names(tables)) write_result(tables[[name]], given$out, paste0(name, ".csv"))
means <- unnamed(tables$means)
files <- suffixes(unique(means$model_name))
for (name in names(files)) {
  figure <- draw_utterances(means[means$model_name == name, ], name)
  save_figure(figure, given$out, paste0("study2_utterances", files[match(name, names(files))]), 6)
}
save_figure(draw_negation(unnamed(tables$negation)), given$out, "study2_negation", 3)

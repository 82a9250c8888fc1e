# Study 1, knowledge: means of bets, analysis of variance, planned comparisons, mixed-effects models, and the grid of bets.
#
#   Rscript analysis/study1.R TABLE.csv OUT [--no-exclusions]
#
# TABLE.csv is what `grace analyze study1 --input` reads, such as the table of `grace merge`. Written: means.csv and
# tests.csv, in the layout of `grace analyze`, and study1_bets as PDF and PNG.

source(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))), "common.R"))

WORDS <- c("one", "two", "three")
STATES <- 0:3
CELLS <- data.frame(access = c(1, 2, 2, 3, 3, 3), word = WORDS[c(1, 1, 2, 1, 2, 3)])
SHOWN <- c("story_shortname", "story_setup", "priorQ", "speach", "speachQ", "knowledgeQ", "access", "observe")
PLANNED <- data.frame( # access, word, the state that is claimed to get more, and the other one
  access = c(3, 3, 3, 1, 1, 2, 2, 2),
  word = WORDS[c(2, 1, 1, 1, 1, 2, 1, 1)],
  more = c(2, 1, 1, 1, 1, 2, 1, 1),
  less = c(3, 3, 2, 2, 3, 3, 3, 2)
)
YES <- c("yes", "y", "yeah", "yep", "true", "correct")
NO <- c("no", "n", "nope", "false", "incorrect")
without_empty_cells <- lmerControl(check.rankX = "silent.drop.cols") # their interaction cannot be estimated

# The trials that are analysed: access, word, bet0 to bet3, stimulus, participant and item.
read_trials <- function(cells, exclusions) {
  access <- number(cells[[needed(cells, "how many the speaker looked at", "access")]])
  observe <- number(cells[[needed(cells, "the word that the speaker says", "observe")]])
  bets <- sapply(STATES, function(state) {
    number(cells[[needed(cells, "the bets", paste0("probability_", state), paste0("X", state), as.character(state))]])
  })
  bets <- matrix(bets, ncol = 4, dimnames = list(NULL, paste0("bet", STATES)))
  inside <- paste(access, observe) %in% paste(CELLS$access, match(CELLS$word, WORDS))
  kept <- !failed(cells) & inside & apply(!is.na(bets) & bets >= 0 & bets <= 100, 1, all)
  if (exclusions && "Knowledge_A" %in% names(cells)) {
    said <- tolower(trimws(cells$Knowledge_A))
    kept <- kept & ifelse(access == 3, said %in% YES, said %in% NO)
  }
  if (exclusions) {
    for (column in grep("^drop_", names(cells), value = TRUE)) {
      kept <- kept & tolower(trimws(cells[[column]])) %in% NO_MARK
    }
  }
  data.frame(
    access, word = WORDS[ifelse(observe %in% 1:3, observe, NA)], bets,
    stimulus = stimuli(cells, "story_shortname", SHOWN, c("participant_id", "access", "observe")),
    participant = cell(cells, "participant_id"), item = cell(cells, "story_shortname")
  )[which(kept), ]
}

means_of <- function(trials) {
  trials %>%
    pivot_longer(starts_with("bet"), names_to = "state", names_prefix = "bet", values_to = "bet") %>%
    mutate(state = as.numeric(state)) %>%
    group_by(access, word, state) %>%
    summarise(mean = mean(bet), se = sd(bet) / sqrt(n()), n_effective = effective(bet, stimulus), n = n(),
              .groups = "drop") %>%
    right_join(crossing(CELLS, state = STATES), by = c("access", "word", "state")) %>%
    replace_na(list(n = 0)) %>%
    mutate(n_effective = ifelse(n == 0, 0, n_effective)) %>%
    arrange(access, match(word, WORDS), state) %>%
    select(access, word, state, mean, se, n, n_effective)
}

tests_of <- function(trials) {
  factors <- c("access", "word")
  cell_of <- paste(trials$access, trials$word)
  worth <- if (nrow(trials)) effective(trials$bet3, trials$stimulus, cell_of) else NA
  anova <- anova_tested("anova", factors, trials$bet3, trials$access, trials$word, nrow(trials), worth)
  if (anyNA(trials$stimulus)) {
    by_stimulus <- mutate(anova, test = sub("^anova", "clustered", test), note = NO_STIMULI)
    by_stimulus[c("statistic", "df1", "df2", "p", "effect_size", "n_effective")] <- NA
    repeated <- mutate(by_stimulus, test = sub("^clustered", "repeated", test))
  } else {
    of_stimuli <- summarise(group_by(trials, access, word, stimulus), bet3 = mean(bet3), .groups = "drop")
    by_stimulus <- anova_tested("clustered", factors, of_stimuli$bet3, of_stimuli$access, of_stimuli$word, nrow(trials),
                                nrow(of_stimuli))
    repeated <- repeated_tested(factors, transmute(of_stimuli, first = access, second = word, stimulus, value = bet3), nrow(trials))
  }
  compare <- function(prefix, t) {
    holm(bind_rows(lapply(seq_len(nrow(PLANNED)), function(place) {
      plan <- PLANNED[place, ]
      own <- trials[cell_of == paste(plan$access, plan$word), ]
      name <- sprintf("%s:a%d-%s:%d>%d", prefix, plan$access, plan$word, plan$more, plan$less)
      t(name, own[[paste0("bet", plan$more)]] - own[[paste0("bet", plan$less)]], own$stimulus, "greater")
    })))
  }
  mixed <- lme4_tested(
    factors,
    transmute(trials, value = bet3, first = factor(access), second = factor(word), participant, item),
    c("participant", "item"),
    function(formula, data) lmer(formula, data, REML = FALSE, control = without_empty_cells),
    n_effective = worth
  )
  bind_rows(anova, compare("planned", t_tested), by_stimulus, compare("clustered", stimulus_tested), repeated, mixed)
}

# Bars with 95% intervals that stay within the scale: Wilson's, of as many answers of 0 and 100 as would have this mean
# and standard error, with Student's t.
draw <- function(means, title) {
  shown <- means %>%
    mutate(
      worth = ifelse(is.na(n_effective) | n_effective <= 0, n, n_effective),
      share = mean / 100,
      bounded = is.finite(se) & se > 0 & share > 0 & share < 1 & worth > 1,
      answers = ifelse(bounded, share * (1 - share) / (se / 100 * sqrt(n / worth))^2, NA),
      t = qt(0.975, ifelse(bounded, worth - 1, NA)),
      low = 100 * pmax(wilson(share, answers, t)$low, 0),
      high = 100 * pmin(wilson(share, answers, t)$high, 1),
      access = paste("access", access, "of 3"),
      word = factor(paste("word", word), paste("word", WORDS))
    )
  known <- filter(shown, !is.na(mean))
  marks <- list(
    geom_col(data = known, width = 0.7, fill = BLUE, alpha = 0.75),
    geom_errorbar(aes(ymin = low, ymax = high), known, width = 0.15, na.rm = TRUE)
  )
  ggplot(shown, aes(state, mean)) +
    geom_blank(na.rm = TRUE) +
    (if (nrow(known)) marks) +
    no_data(distinct(filter(shown, n == 0), access, word), 1.5, 50) +
    facet_grid(word ~ access) +
    scale_y_continuous(limits = c(0, 100), breaks = seq(0, 100, 25)) +
    labs(x = "state (how many of 3)", y = "bet (%)", title = if (title != "") title) +
    look()
}

given <- arguments("study1.R")
cells <- read_cells(given$table)
tables <- for_models(cells, function(own) {
  trials <- read_trials(own, given$exclusions)
  list(means = means_of(trials), tests = tests_of(trials))
})
write_result(tables$means, given$out, "means.csv")
write_result(tables$tests, given$out, "tests.csv")
means <- unnamed(tables$means)
files <- suffixes(unique(means$model_name))
for (name in names(files)) {
  save_figure(draw(means[means$model_name == name, ], name), given$out, paste0("study1_bets", files[match(name, names(files))]), 5.2)
}

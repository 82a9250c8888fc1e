# What both studies' scripts share: reading a table, tests in the layout of tests.csv, and the look of figures.

suppressPackageStartupMessages({
  library(dplyr)
  library(tidyr)
  library(ggplot2)
  library(lme4)
})

MISSING <- c("", "NA")
HOW <- c("model_revision", "protocol", "temperature") # columns that tell models of one name apart
NO_STIMULI <- "the table does not tell which rows show the same stimulus"
CONSTANT <- 10 * .Machine$double.eps # where t.test draws the line, too
PERFECT <- 1e-20

# Okabe & Ito's colours, which colour-blind readers can tell apart
BLUE <- "#0072B2"
VERMILLION <- "#D55E00"

fail <- function(...) {
  message(...)
  quit(status = 2)
}

# TABLE.csv OUT [--no-exclusions]
arguments <- function(script) {
  given <- commandArgs(trailingOnly = TRUE)
  exclusions <- !"--no-exclusions" %in% given
  given <- setdiff(given, "--no-exclusions")
  if (length(given) != 2) fail("usage: Rscript analysis/", script, " TABLE.csv OUT [--no-exclusions]")
  if (!file.exists(given[1])) fail(given[1], ": there is no such file")
  dir.create(given[2], recursive = TRUE, showWarnings = FALSE)
  list(table = given[1], out = given[2], exclusions = exclusions)
}

# All cells as text; what is missing is "".
read_cells <- function(path) {
  cells <- read.csv(path, colClasses = "character", check.names = FALSE, na.strings = character(),
                    fileEncoding = "UTF-8-BOM", encoding = "UTF-8", row.names = NULL)
  cells[] <- lapply(cells, function(column) ifelse(column %in% MISSING, "", column))
  cells
}

# The first of some columns that the table has, or NA.
column_of <- function(cells, ...) c(intersect(c(...), names(cells)), NA)[1]

needed <- function(cells, what, ...) {
  found <- column_of(cells, ...)
  if (is.na(found)) fail("the table has no column ", c(...)[1], " for ", what)
  found
}

cell <- function(cells, column) if (column %in% names(cells)) cells[[column]] else rep("", nrow(cells))

# 40, 40% and $40 are the same number.
number <- function(text) {
  found <- suppressWarnings(as.numeric(trimws(sub("%$", "", sub("^\\$", "", trimws(text))))))
  ifelse(is.finite(found), found, NA)
}

NOTHING <- c("", "0", "0.0", "false", "none", "null", "nan", NA)
NO_MARK <- c(NOTHING, "no", "n", "f")

failed <- function(cells) {
  error <- cell(cells, "error")
  !tolower(trimws(error)) %in% NOTHING & !error %in% c("empty answer", "empty answer: all of it was reasoning")
}

# The stimulus of each row within its condition: the item, or else what the trial shows to a model, as one text; NA where
# the table has just its conditions.
stimuli <- function(cells, item, shown, conditions) {
  items <- cell(cells, item)
  shown <- texts(cells, shown, conditions)
  ifelse(items == "", shown, items)
}

texts <- function(cells, shown, conditions) {
  own <- intersect(shown, names(cells))
  if (!length(setdiff(own, conditions))) return(rep(NA_character_, nrow(cells)))
  do.call(paste, c(unname(as.list(cells[own])), sep = "\r"))
}

# The column with the models' names: Grace's, or that of people's own tables.
named <- function(cells) intersect(c("model_name", "model", "Model"), names(cells))

# The name of each row's model; models of one name are told apart by what differs.
models <- function(cells) {
  keys <- data.frame(name = cell(cells, c(named(cells), "model_name")[1]), sapply(HOW, function(column) cell(cells, column), simplify = FALSE))
  known <- distinct(keys)
  shown <- sapply(seq_len(nrow(known)), function(place) {
    namesakes <- known[known$name == known$name[place], , drop = FALSE]
    differing <- Filter(function(column) n_distinct(namesakes[[column]]) > 1, HOW)
    how <- sapply(differing, function(column) {
      if (known[place, column] == "") paste("no", column) else known[place, column]
    })
    if (length(how)) sprintf("%s (%s)", known$name[place], paste(how, collapse = ", ")) else known$name[place]
  })
  shown[match(do.call(paste, c(keys, sep = "\r")), do.call(paste, c(known, sep = "\r")))]
}

# How many independent rows these are worth (Kish 1965, with the intraclass correlation from analysis of variance,
# Donner 1986, within cells). NA where stimuli are not known.
effective <- function(values, stimuli, cells = rep("", length(values))) {
  if (is.data.frame(stimuli)) { # stimuli and their texts: the smaller number counts
    known <- Filter(function(one) !anyNA(one), stimuli[-1])
    return(min(effective(values, stimuli[[1]], cells), unlist(lapply(known, function(one) effective(values, one, cells)))))
  }
  n <- length(values)
  if (!n || anyNA(stimuli)) return(if (n) NA_real_ else 0)
  group <- paste(cells, stimuli, sep = "\r")
  sizes <- table(group)
  if (n == length(sizes)) return(n)
  of_cell <- cells[match(names(sizes), group)]
  freedom <- length(sizes) - n_distinct(cells)
  correlation <- 1
  if (freedom > 0) {
    between <- sum((ave(values, group) - ave(values, cells))^2) / freedom
    within <- sum((values - ave(values, group))^2) / (n - length(sizes))
    size <- (n - sum(tapply(sizes^2, of_cell, sum) / tapply(sizes, of_cell, sum))) / freedom
    total <- between + (size - 1) * within
    if (total > 0) correlation <- min(max((between - within) / total, 0), 1)
  }
  n / (1 + (sum(sizes^2) / n - 1) * correlation)
}

tested <- function(test, statistic = NA, df1 = NA, df2 = NA, p = NA, effect_size = NA, n = 0, n_effective = NA,
                   note = "") {
  data.frame(test, statistic = as.numeric(statistic), df1 = as.numeric(df1), df2 = as.numeric(df2),
             p = as.numeric(p), p_holm = NA_real_, effect_size = as.numeric(effect_size), n = n,
             n_effective = as.numeric(n_effective), note)
}

holm <- function(tests) mutate(tests, p_holm = p.adjust(p, "holm"))

# Student's t of one sample, which for differences is the paired t; the effect is dz.
t_tested <- function(test, values, stimuli, alternative, against = 0) {
  n <- length(values)
  worth <- effective(values, stimuli)
  values <- values - against
  if (n < 2) return(tested(test, n = n, n_effective = worth, note = if (n) "a single row" else "no rows"))
  if (sd(values) / sqrt(n) <= CONSTANT * abs(mean(values))) {
    return(tested(test, n = n, n_effective = worth, note = "all values are equal"))
  }
  found <- t.test(values, alternative = alternative)
  tested(test, found$statistic, found$parameter, p = found$p.value, effect_size = found$statistic / sqrt(n),
         n = n, n_effective = worth)
}

# The same of the stimuli's means.
clustered_t_tested <- function(test, values, stimuli, alternative, against = 0) {
  if (is.data.frame(stimuli)) stimuli <- stimuli[[1]]
  if (anyNA(stimuli)) return(tested(test, n = length(values), note = NO_STIMULI))
  means <- as.vector(tapply(values, stimuli, mean))
  mutate(t_tested(test, means, seq_along(means), alternative, against), n = length(values), n_effective = length(means))
}

# The same, and where all means are equal the exact test that flips their signs.
stimulus_tested <- function(test, values, stimuli, alternative, against = 0) {
  found <- clustered_t_tested(test, values, stimuli, alternative, against)
  away <- mean(values) - against
  if (!is.na(found$p) || is.na(found$n_effective) || found$n_effective < 2 || away == 0) return(found)
  mutate(found, p = if (away < 0 && alternative == "greater") 1 else 2^((alternative == "two.sided") - n_effective))
}

# The exact binomial test; the effect is Cohen's h.
binomial_tested <- function(test, values, stimuli, chance) {
  n <- length(values)
  if (!n) return(tested(test, note = "no rows"))
  h <- 2 * asin(sqrt(mean(values))) - 2 * asin(sqrt(chance))
  tested(test, sum(values), p = binom.test(sum(values), n, chance)$p.value, effect_size = h, n = n,
         n_effective = effective(values, stimuli))
}

# Two factors in a design with empty cells: each model against the next, F by the residual variance of the largest.
anova_tested <- function(prefix, names, value, first, second, n, n_effective) {
  tests <- paste0(prefix, ":", c(names, paste(names, collapse = ":"), paste(names, collapse = "|")))
  nothing <- function(note) bind_rows(lapply(tests, tested, n = n, n_effective = n_effective, note = note))
  if (!length(value)) return(nothing("no rows"))
  data <- data.frame(value, first = factor(first), second = factor(second), both = paste(first, second))
  fit <- function(...) {
    terms <- Filter(function(name) n_distinct(data[[name]]) > 1, c(...)) # a factor of one level is the constant
    lm(reformulate(c("1", terms), "value"), data)
  }
  models <- list(fit(), fit("first"), fit("first", "second"), fit("both"))
  full <- models[[4]]
  why <- ""
  if (!full$df.residual) {
    why <- "no row is left to estimate the variance within cells from"
  } else if (deviance(full) / full$df.residual <= PERFECT * mean(value^2)) {
    why <- "all rows of a cell are equal, so there is no variance"
  }
  step <- function(test, small, large) {
    gained <- small$df.residual - large$df.residual
    if (!gained) return(tested(test, n = n, n_effective = n_effective, note = "cannot be estimated"))
    if (why != "") return(tested(test, df1 = gained, df2 = full$df.residual, n = n, n_effective = n_effective, note = why))
    squares <- max(deviance(small) - deviance(large), 0)
    f <- (squares / gained) / (deviance(full) / full$df.residual)
    tested(test, f, gained, full$df.residual, pf(f, gained, full$df.residual, lower.tail = FALSE),
           squares / (squares + deviance(full)), n, n_effective)
  }
  bind_rows(Map(step, tests, list(models[[1]], models[[2]], models[[3]], fit("second")),
                list(models[[2]], models[[3]], models[[4]], models[[3]])))
}

# Two factors with repeated measures of stimuli, which are crossed with the cells; p is after Greenhouse and Geisser.
repeated_tested <- function(names, means, n) {
  tests <- paste0("repeated:", c(names, paste(names, collapse = ":"), paste(names, collapse = "|")))
  cells <- distinct(means, first, second)
  cells <- mutate(cells, both = factor(paste(first, second)), first = factor(first), second = factor(second))
  wide <- tapply(means$value, list(means$stimulus, factor(paste(means$first, means$second), as.character(cells$both))), mean)
  wide <- wide[complete.cases(wide), , drop = FALSE]
  nothing <- function(test, note, ...) tested(test, ..., n = n, n_effective = nrow(wide), note = note)
  if (nrow(wide) < 2) return(bind_rows(lapply(tests, nothing, "fewer than two stimuli have all conditions")))
  fit <- lm(wide ~ 1)
  design <- function(...) {
    terms <- Filter(function(name) n_distinct(cells[[name]]) > 1, c(...))
    reformulate(c("1", terms))
  }
  rank <- function(formula) qr(model.matrix(formula, cells))$rank
  projection <- function(formula) tcrossprod(qr.Q(qr(model.matrix(formula, cells)))[, seq_len(rank(formula))])
  step <- function(test, small, large) {
    gained <- rank(large) - rank(small)
    if (!gained) return(nothing(test, "cannot be estimated"))
    spread <- sum(diag(SSD(fit, M = large, X = small, idata = cells)$SSD)) / (nrow(wide) - 1)
    if (spread <= PERFECT * mean(wide^2)) {
      effect <- sum((colMeans(wide) %*% (projection(large) - projection(small)))^2)
      if (effect <= PERFECT * mean(wide^2)) {
        return(nothing(test, "no variance", df1 = gained, df2 = gained * (nrow(wide) - 1)))
      }
      return(nothing(test, "no variance; p is exact, by flipping signs", p = 2^(1 - nrow(wide))))
    }
    found <- anova(fit, update(fit, ~0), M = large, X = small, idata = cells, test = "Spherical")
    f <- found$F[2]
    tested(test, f, found$`num Df`[2], found$`den Df`[2], found$`G-G Pr`[2], f / (f + nrow(wide) - 1), n, nrow(wide))
  }
  bind_rows(Map(step, tests, list(design(), design("first"), design("first", "second"), design("second")),
                list(design("first"), design("first", "second"), design("both"), design("first", "second"))))
}

# Likelihood-ratio tests of two factors by mixed-effects models with random intercepts. `fit` takes a formula and data
# with the factors in the columns first and second; `groups` are the columns that can have intercepts.
lme4_tested <- function(names, data, groups, fit, note = "", n_effective = NA) {
  tests <- paste0("lme4:", c(names, paste(names, collapse = ":")))
  with_note <- function(test, note) tested(test, n = nrow(data), n_effective = n_effective, note = note)
  random <- Filter(function(name) between(n_distinct(data[[name]]), 2, nrow(data) - 1), groups)
  if (!length(random)) return(bind_rows(lapply(tests, with_note, "no group has several rows, so nothing is random")))
  if (n_distinct(data$first) < 2 || n_distinct(data$second) < 2) {
    return(bind_rows(lapply(tests, with_note, "a factor has one level only")))
  }
  if (n_distinct(data$value) < 2) return(bind_rows(lapply(tests, with_note, "all answers are equal")))
  intercepts <- paste0("(1 | ", random, ")")
  said <- character() # what the package says of its fits
  model <- function(...) {
    withCallingHandlers(
      fit(reformulate(c(..., intercepts), "value"), data),
      warning = function(warning) { said <<- c(said, conditionMessage(warning)); invokeRestart("muffleWarning") },
      message = function(message) { said <<- c(said, conditionMessage(message)); invokeRestart("muffleMessage") }
    )
  }
  fits <- tryCatch(
    list(second = model("second"), first = model("first"), both = model("first", "second"), full = model("first * second")),
    error = function(error) conditionMessage(error)
  )
  if (is.character(fits)) return(bind_rows(lapply(tests, with_note, paste("lme4 could not fit:", fits))))
  about <- paste(c(paste("random intercepts:", paste(random, collapse = ", ")), note[note != ""],
                   unique(trimws(gsub("\\s+", " ", said)))), collapse = "; ")
  step <- function(test, small, large) {
    gained <- attr(logLik(large), "df") - attr(logLik(small), "df")
    if (!gained) return(with_note(test, "cannot be estimated"))
    chi2 <- max(2 * as.numeric(logLik(large) - logLik(small)), 0)
    tested(test, chi2, gained, p = pchisq(chi2, gained, lower.tail = FALSE), n = nrow(data),
           n_effective = n_effective, note = about)
  }
  bind_rows(step(tests[1], fits$second, fits$both), step(tests[2], fits$first, fits$both),
            step(tests[3], fits$both, fits$full))
}

# Wilson's interval of a share; n may be an effective number.
wilson <- function(share, n, quantile = qnorm(0.975)) {
  square <- quantile^2
  middle <- (share + square / (2 * n)) / (1 + square / n)
  reach <- sqrt(square * (share * (1 - share) / n + square / (4 * n^2))) / (1 + square / n)
  list(low = ifelse(share == 0, 0, middle - reach), high = ifelse(share == 1, 1, middle + reach))
}

# The table of each model, one below the other, with the model's name in front where the table names models.
for_models <- function(cells, analyse) {
  model <- models(cells)
  found <- lapply(unique(model), function(name) {
    tables <- analyse(cells[model == name, , drop = FALSE])
    if (!length(named(cells)) && n_distinct(model) < 2) return(tables)
    lapply(tables, function(table) cbind(model_name = rep(name, nrow(table)), table))
  })
  tables <- unique(unlist(lapply(found, names)))
  sapply(tables, function(table) bind_rows(lapply(found, `[[`, table)), simplify = FALSE)
}

unnamed <- function(table) if ("model_name" %in% names(table)) table else mutate(table, model_name = "")

write_result <- function(table, out, name) {
  write.csv(table, file.path(out, name), row.names = FALSE, na = "", fileEncoding = "UTF-8")
}

look <- function() {
  theme_classic(base_size = 8) +
    theme(panel.grid.major.y = element_line(colour = "#D9D9D9", linewidth = 0.25), strip.background = element_blank(),
          plot.title.position = "plot", legend.position = "bottom", legend.title = element_blank())
}

# What panels say whose cell is empty; `cells` has a row for each of them.
no_data <- function(cells, x, y) {
  if (!nrow(cells)) return(NULL)
  geom_text(aes(x, y, label = "no data"), mutate(cells, x = x, y = y), inherit.aes = FALSE, colour = "#6E6E6E", size = 2.5)
}

# A figure as PDF and PNG.
save_figure <- function(figure, out, name, height) {
  for (kind in c("pdf", "png")) {
    ggsave(file.path(out, paste0(name, ".", kind)), figure, width = 6.5, height = height, dpi = 300,
           device = if (kind == "pdf") grDevices::cairo_pdf else "png")
  }
}

# What tells the files of models apart, as _gemma-2; nothing where there is one model.
suffixes <- function(names) {
  if (length(names) < 2) return(setNames(rep("", length(names)), names))
  slugs <- gsub("^-+|-+$", "", substr(gsub("[^a-z0-9]+", "-", tolower(names)), 1, 48))
  setNames(paste0("_", make.unique(ifelse(slugs == "", "model", slugs), "-")), names)
}

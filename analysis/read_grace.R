# Grace's tables in R: source this file, then `data <- read_grace("outputs/study1.run")`.

# Read a run, or a table that `grace merge` wrote, as a data frame.
#
# path: a run's folder (outputs/a.run), the folder of a merged table (outputs/a_merged), or its CSV file. A run is merged
#   first by the command `grace`, or the one that the environment variable GRACE names.
# long: FALSE for the table's rows; TRUE for one row for each of them, question and label, with `question`, `label`,
#   `probability` and `label_mass` beside the columns that name the row and its condition.
#
# Participants, items, models and conditions are factors, these with the study's levels in its order; numbers are numbers,
# and an empty cell is NA. Stops where there is no such table.
read_grace <- function(path, long = FALSE) {
  place <- merged_place(path)
  book <- jsonlite::fromJSON(file.path(place$folder, "codebook.json"), simplifyVector = FALSE)
  data <- read.csv(place$table, colClasses = "character", check.names = FALSE, na.strings = "",
                   fileEncoding = "UTF-8-BOM", encoding = "UTF-8", row.names = NULL)
  types <- vapply(book$columns, function(column) column$type, "")
  names(types) <- vapply(book$columns, function(column) column$name, "")
  for (name in intersect(names(data), names(types)[types != "text"])) data[[name]] <- as_number(data[[name]])
  conditions <- book$design$conditions
  for (name in names(conditions)) data[[name]] <- as_factor(data[[name]], unlist(conditions[[name]]))
  naming <- intersect(c("model_name", book$design$participant, book$design$item), names(data))
  for (name in naming) data[[name]] <- as_factor(data[[name]], NULL)
  if (!long) return(data)
  beside <- intersect(c("row_id", naming, "replication", names(conditions)), names(data))
  long_probabilities(data, book$distributions, beside)
}

# The folder and the CSV file of a merged table.
merged_place <- function(path) {
  path <- sub("/+$", "", path)
  if (file.exists(file.path(path, "run.json"))) {
    folder <- sub("\\.run$", "_merged", path)
    merge_run(path, folder)
  } else {
    folder <- if (dir.exists(path)) path else dirname(path)
  }
  if (!file.exists(file.path(folder, "codebook.json"))) {
    stop(path, ": is neither a run nor a table that `grace merge` wrote (there is no codebook.json)", call. = FALSE)
  }
  book <- jsonlite::fromJSON(file.path(folder, "codebook.json"), simplifyVector = FALSE)
  list(folder = folder, table = file.path(folder, book$tables[[1]]$file))
}

merge_run <- function(run, folder) {
  grace <- Sys.getenv("GRACE", "grace")
  if (!nzchar(Sys.which(grace))) {
    stop("there is no command ", grace, " here: set the environment variable GRACE to its path, or run `grace merge ", run,
         "` and read ", folder, call. = FALSE)
  }
  # R's own libraries, which it puts before all others, are not those of Python
  told <- suppressWarnings(system2(grace, c("merge", shQuote(run), "--out", shQuote(folder)), env = "LD_LIBRARY_PATH=",
                                   stdout = TRUE, stderr = TRUE))
  status <- attr(told, "status")
  if (!is.null(status)) stop("`grace merge ", run, "` failed: ", paste(told, collapse = "\n"), call. = FALSE)
}

# A column of numbers, with decimal points or commas; one with a cell that is none, or as 1,234 may be two, stays text.
as_number <- function(cells) {
  comma <- grepl("^[+-]?([0-9]{1,3}([.][0-9]{3})+|[0-9]*),[0-9]+$", cells)
  comma <- comma & !grepl("^[+-]?[1-9][0-9]{0,2},[0-9]{3}$", cells)
  if (any(comma)) comma <- comma | grepl("^[+-]?[0-9]{1,3}([.][0-9]{3})+$", cells)
  written <- cells
  written[comma] <- chartr(",", ".", gsub(".", "", cells[comma], fixed = TRUE))
  numbers <- suppressWarnings(as.numeric(written))
  if (any(is.na(numbers) & !is.na(cells))) cells else numbers
}

# A factor with the levels of the study that occur, in its order, and behind them what the study does not list.
as_factor <- function(cells, levels) {
  cells <- as.character(cells)
  found <- unique(cells[!is.na(cells)])
  factor(cells, levels = c(intersect(levels, found), setdiff(found, levels)))
}

long_probabilities <- function(data, distributions, beside) {
  if (!length(distributions)) {
    stop("the table has no probabilities: `grace score` measures them, in a run beside the answers", call. = FALSE)
  }
  parts <- lapply(distributions, function(own) {
    part <- data[beside]
    part$question <- own$question
    part$label <- own$label
    part$probability <- data[[own$column]]
    part$label_mass <- data[[own$label_mass]]
    part[!is.na(part$probability), , drop = FALSE]
  })
  long <- do.call(rbind, parts)
  for (name in c("question", "label")) long[[name]] <- factor(long[[name]], levels = unique(long[[name]]))
  rownames(long) <- NULL
  long
}

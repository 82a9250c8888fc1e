"""The checks of quality: what each finds, how much of it is too much, what to do then, and how it looks at a row.

A new check is an entry of CHECKS. A check of single rows names the function that makes it (in `cells`, `answers`,
`fields` or `scores`); `grace validate` and `grace merge` then do it. A check that needs the whole table is a class in a
file of its own, which `Inspection` in `grace.quality.validate` calls.
"""

from dataclasses import dataclass
from typing import Literal

from grace.quality.checks import answers, cells, fields, scores
from grace.quality.looks import Maker

Unit = Literal["rows", "cells", "columns", "problems", "models", "share"]
TablePart = Literal["requests", "cells", "scores", "answers", "refusals", "fields", "fields again"]
"""The part of a table that a check of single rows looks at; `RowChecks` knows which tables have it."""

_AGAIN = "`grace export RUN` makes the table again"


@dataclass(frozen=True)
class Setting:
    """A number that a check uses beside its limit."""

    name: str
    default: float
    about: str


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: the check's name, and its limit's among the thresholds.
        finds: what it finds.
        unit: what is counted, or "share" where a share of them is measured.
        limit: the default limit: the most that is fine, or with `least` the least.
        advice: what to do when it fails; RUN stands for the run's folder.
        settings: further numbers that can be chosen.
        on: for a check of single rows: the part of a table that it looks at, and what makes it for a table.
    """

    name: str
    finds: str
    unit: Unit = "rows"
    limit: float = 0
    advice: str = _AGAIN
    least: bool = False
    settings: tuple[Setting, ...] = ()
    on: tuple[TablePart, Maker] | None = None


_ASK = "give the command that made the run once more: it asks for what is missing"

CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        Check("table", "no such table, one that cannot be read, or one without rows", "problems"),
        Check(
            "columns",
            "columns that are missing, or in another order than Grace writes them, as when their names were swapped",
            "problems",
        ),
        Check("rows_missing", "rows of the input that the table does not have", advice=f"{_ASK}; or {_AGAIN}"),
        Check(
            "rows_unexpected",
            "rows whose input cells, replication or seed are not in the input, as when cells were changed or swapped",
            advice=f"see which cells differ from the input; {_AGAIN}",
        ),
        Check("rows_duplicate", "rows that are there more often than in the input"),
        Check(
            "errors",
            "rows with a text in `error`: requests that failed or were not sent",
            advice=_ASK,
            on=("requests", cells.errors),
        ),
        Check(
            "empty_answers",
            "answers that came and were empty, which are not asked for again",
            "share",
            0.05,
            "see `model_reasoning`: where all of it was reasoning, a higher `--max-tokens` and another `--output` help",
            on=("answers", answers.empty_answers),
        ),
        Check(
            "missing_values",
            "rows without an error that lack a value, and values of the input that are marked as missing",
            "share",
            0,
            f"{_AGAIN}; where the input itself lacks the value, complete it or leave the row out",
            on=("cells", cells.missing_values),
        ),
        Check(
            "schema",
            "rows with a cell that is no number, or none of the values that it may have",
            on=("cells", cells.schema),
        ),
        Check("range", "rows with a number outside of what is possible", on=("cells", cells.range_)),
        Check(
            "probability_sum",
            "rows with a distribution whose probabilities do not sum to 1",
            settings=(Setting("probability_sum_tolerance", 0.01, "how far from 1 the sum may be"),),
            on=("scores", scores.probability_sum),
        ),
        Check(
            "percentage_sum",
            "rows with amounts whose sum is not the total, as percentages that do not sum to 100; the model said so",
            "share",
            0.05,
            "look at the rows with `grace review RUN`; decide before the analysis what becomes of them",
            settings=(
                Setting("percentage_sum_tolerance", 1, "how far from the total the sum may be, in percent of it"),
            ),
            on=("fields", fields.percentage_sum),
        ),
        Check(
            "derived_values",
            "rows whose mean, standard deviation, entropy or marginals are not those of the distribution beside them",
            advice=f"cells or columns were changed or swapped; {_AGAIN}",
            settings=(Setting("derived_values_tolerance", 1e-6, "how far a value may be from its formula"),),
            on=("scores", scores.derived_values),
        ),
        Check(
            "ledger",
            "cells that are not what the run's ledger says, as when they were changed, swapped or reordered",
            "cells",
        ),
        Check(
            "records",
            "records whose key, seed or settings are not those of their row: records or files of the run were changed",
            "problems",
            advice="restore ledger.jsonl, run.json, study.yaml and input.csv of the run from a copy",
        ),
        Check(
            "stale",
            "answers that changed since the extraction, or that it does not have",
            advice="`grace extract` again, with the same --output",
        ),
        Check(
            "reread",
            "rows whose values are not what the study's rules read in the answer beside them",
            advice=f"values or answers were changed, shifted or swapped, or other rules read them; {_AGAIN}",
            on=("fields again", fields.reread),
        ),
        Check(
            "models",
            "models whose rows stand in one table",
            "models",
            1,
            "give each model a table of its own; `grace merge` puts them into one for the analysis",
        ),
        Check(
            "truncated",
            "answers that were cut off at the token limit",
            "share",
            0.05,
            "ask again with a higher `--max-tokens` and another `--output`",
            on=("answers", answers.truncated),
        ),
        Check(
            "refusals",
            "answers that decline to answer, where nothing could be read in them",
            "share",
            0.05,
            "read some of them; another prompt, or another model, may be needed",
            on=("refusals", answers.refusals),
        ),
        Check(
            "error_texts",
            "answers that are a program's error message",
            advice="see what the server was doing at that time; ask again with another `--output`",
            on=("answers", answers.error_texts),
        ),
        Check(
            "label_mass",
            "distributions of low label mass: the model would mostly say something else; by question",
            "share",
            0.10,
            "the distribution is about the little that is left; other words, or `--answer-start`, may help",
            settings=(Setting("label_mass_low", 0.5, "a label mass below this is low"),),
            on=("scores", scores.label_mass),
        ),
        Check(
            "uniform",
            "distributions that are exactly uniform, as of programs that could not get the true one; by question",
            "share",
            0.01,
            "see where these rows come from; a model's own distribution is never exactly uniform",
            settings=(Setting("uniform_tolerance", 1e-9, "how far from uniform each probability may be"),),
            on=("scores", scores.uniform),
        ),
        Check(
            "duplicate_answers",
            "stimuli whose answers are all the same word for word, though the seeds differ",
            "share",
            0.95,
            "see whether the server heeds the seed, and whether the temperature is above 0",
            settings=(Setting("duplicate_answers_length", 40, "shorter answers, in characters, may be the same"),),
        ),
        Check(
            "seeds",
            "rows that share their seed with another row",
            "share",
            0.01,
            "draws of one seed are not independent: ask again with `grace query`, which gives each row its own",
        ),
        Check(
            "extracted",
            "rows with a value in every field",
            "share",
            0.95,
            "look at the reasons in `extraction_errors`; an `--extractor` may find more",
            least=True,
            settings=(Setting("extracted_review", 0.90, "below this, people have to look at the rows"),),
            on=("fields", fields.extracted),
        ),
        Check(
            "extraction_doubt",
            "rows whose least plain value is in doubt (`extraction_confidence`)",
            "share",
            0.10,
            "`grace review RUN` shows them to a person; an `--extractor` may settle them",
            settings=(Setting("extraction_doubt_below", 0.7, "a confidence below this is a doubt"),),
            on=("fields", fields.extraction_doubt),
        ),
        Check(
            "balance",
            "conditions with fewer usable rows than the others: how far the worst is below all of them together",
            "share",
            0.10,
            "find out why this condition loses rows before you compare conditions",
        ),
    )
}
"""All checks, in the order in which they are reported."""

"""The names of the columns that Grace writes, whatever the study, and of an input's columns beside them."""

from collections.abc import Iterable, Sequence

MODEL = "model_name"
RESPONSE = "model_response"
REPLICATION = "replication"
SEED = "seed"
ENDING = "finish_reason"
ERROR = "error"
REASONING = "model_reasoning"
ANSWER_COLUMNS = (
    MODEL,
    RESPONSE,
    "response_timestamp",
    "processing_time_ms",
    ENDING,
    "prompt_tokens",
    "completion_tokens",
    REPLICATION,
    SEED,
    ERROR,
)
"""What a table of answers adds to its input, besides the turns of the conversation and the model's reasoning."""
ANSWER_KINDS = dict.fromkeys(("processing_time_ms", "prompt_tokens", "completion_tokens", REPLICATION, SEED), int)
"""Those of them that hold numbers."""
IDENTIFYING = (MODEL, REPLICATION, SEED)
"""Columns that distinguish answers to equal trials."""

EXTRACTED = METHOD, CONFIDENCE, REASONS = ("extraction_method", "extraction_confidence", "extraction_errors")
"""Who found the values of a row, how plainly they were said, and why some are missing."""
INPUT = "_input"
"""The end of the new name of an input's column that has the name of a column that Grace adds to it."""

ROW_ID = "row_id"
FLAGS = "quality_flags"
SCORES_ERROR = "scores_error"
PROVENANCE = (
    "protocol",
    "temperature",
    "model_revision",
    "answers_run",
    "extraction_run",
    "scores_run",
    "grace_version",
)
"""The origin of a row of a merged table; the folders of its runs have the rest."""
MERGED = (ROW_ID, SCORES_ERROR, FLAGS, *PROVENANCE)
"""What a merged table adds to those of its parts."""


def answer_columns(turns: Sequence[str]) -> tuple[str, ...]:
    """What a table of answers adds to its input: one `response_<turn>` for each turn where there are several."""
    by_turn = tuple(f"response_{turn}" for turn in turns) if len(turns) > 1 else ()
    return (*ANSWER_COLUMNS, *by_turn, REASONING)


def folded(names: Iterable[str]) -> frozenset[str]:
    """Names whatever their capitals, and without space around them."""
    return frozenset(name.strip().casefold() for name in names)

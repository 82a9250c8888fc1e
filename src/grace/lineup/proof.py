"""cleanup.json: when Grace looked for what a lineup has left, and what it found."""

from dataclasses import asdict
from typing import Any

import orjson

from grace.files import replacing
from grace.lineup.backend import Cleanup
from grace.lineup.folder import LineupFolder
from grace.runs import now

WHOLE = "lineup"
"""The entry of `grace lineup clean`; each other one is a model's, by its folder."""


def write_cleanup(folder: LineupFolder, cleanup: Cleanup) -> None:
    """Note what became of all that a lineup had somewhere. Raises InputError when the file cannot be written."""
    try:
        proof: dict[str, Any] = orjson.loads(folder.cleanup.read_bytes())
    except (OSError, ValueError):
        proof = {}
    with replacing(folder.cleanup) as file:
        content = {**proof, WHOLE: {"looked": now(), **asdict(cleanup)}}
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))

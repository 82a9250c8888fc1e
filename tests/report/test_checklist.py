"""The checklist of `grace paper`: what runs know is filled in, what they do not know is marked."""

import re
from pathlib import Path

import pytest

from conftest import ROOT, Command
from report_runs import always, ask, speaker

pytest.importorskip("statsmodels")
pytest.importorskip("matplotlib")

from grace.report.checklist import OPEN

ITEMS = ["A.1", "A.2", "B.1", "B.2", "B.3", "B.4", "B.5", "C.1", "C.2", "D.1", "E.1", "E.2", "F.1", "G.1"]


def items(path: Path) -> dict[str, str]:
    """The answers of a checklist by the numbers of its items."""
    parts = re.split(r"^\*\*([A-G]\.\d)\. .*\*\*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_what_runs_know_is_filled_in(grace: Command, tmp_path: Path) -> None:
    with speaker() as own:
        run = ask(
            grace, own, "study1", ROOT / "data" / "study1.csv", tmp_path / "a.csv", "--limit", 30, "--temperature", 0.7,
            "--seed", 11, model="m_1 *x* <b>", score=6,
        )  # fmt: skip
    manifest = run / "run.json"
    manifest.write_text(re.sub('"grace": *"[^"]*"', '"grace": "0.0.9"', manifest.read_text(encoding="utf-8")))
    assert grace("paper", run).code == 0
    found = items(tmp_path / "a_paper" / "checklist.md")
    assert "Grace 0.0.9, " in found["F.1"]
    assert list(found) == ITEMS
    assert "m\\_1 \\*x\\* " in found["B.1"]
    assert "<b>" not in found["B.1"]
    assert re.search(r"accessed 20\d\d-\d\d-\d\d", found["B.1"])
    assert "at an address of the machine that asked, which may lead to another one" in found["B.2"]
    assert "Separate calls" in found["B.2"]
    assert "temperature 0.7" in found["B.3"]
    assert "seed 11" in found["B.3"]
    assert "computed, not sampled" in found["B.3"]
    assert "no run holds a decision of a person" in found["A.2"]
    assert "models were asked about 30 of the 300 rows of a table" in found["A.1"]
    assert "measured for 6 of the 300 rows" in found["A.1"]
    assert re.search(r"SHA-256 [0-9a-f]{64}", found["C.1"])
    assert "rules" in found["E.2"]
    marked = {number for number, answers in found.items() if OPEN in answers}
    assert marked == {"A.1", "B.1", "B.4", "C.2", "D.1", "E.1", "F.1", "G.1"}
    assert "In 8 of them" in (tmp_path / "a_paper" / "checklist.md").read_text(encoding="utf-8")


def test_turns_and_system_messages_are_told(grace: Command, tmp_path: Path) -> None:
    study, things = tmp_path / "study.yaml", tmp_path / "things.csv"
    study.write_text(
        "name: colours\ntitle: Colours\ncolumns: [thing]\nprotocols:\n  single:\n    system: You answer in one word.\n"
        "    turns:\n"
        '      colour: "Which colour has {{ thing }}?"\n      sure: "Are you sure?"\n',
        encoding="utf-8",
    )
    things.write_text("thing\nsnow\ngrass\n", encoding="utf-8")
    with speaker() as own:
        own.answer = always("white")
        server = ("--model-endpoint", own.server.url, "--model-name", "table")
        asked = grace("query", study, "--input", things, "--output", tmp_path / "c.csv", *server)
    assert asked.code == 0, asked.err
    run = tmp_path / "c.run"
    assert grace("paper", run).code == 0
    found = items(tmp_path / "c_paper" / "checklist.md")
    assert "System message: You answer in one word." in found["C.2"]
    assert "a conversation of its own, of 2 turns" in found["B.2"]
    assert "its earlier turns were sent again" in found["B.5"]
    assert "No values were extracted" in found["E.1"]

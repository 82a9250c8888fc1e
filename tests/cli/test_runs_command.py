"""`grace runs`: what is there and how it stands, and that a removal takes a run and nothing else."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from canned import CannedServer, error
from conftest import ROOT, Command
from grace.errors import InputError, RunLocked
from grace.runs import Run
from grace.stages.inventory import listed, removal, remove, runs_below

EARLIER = ROOT / "tests" / "fixtures" / "runs-0.1.0" / "outputs"


def as_json(grace: Command, folder: Path) -> dict[str, dict[str, Any]]:
    """What `grace runs` says of a folder's runs, by their names."""
    done = grace("runs", "--folder", folder, "--json")
    assert done.code == 0, done
    return {Path(each["path"]).name: each for each in json.loads(done.out)}


def test_a_run_is_listed_with_its_study_model_state_rows_and_size(
    grace: Command, query: Command, tmp_path: Path
) -> None:
    assert query("--limit", 3, "--replications", 2).code == 0
    (only,) = as_json(grace, tmp_path).values()
    assert (only["experiment"], only["study"], only["model"]) == ("generate", "study1", "canned")
    assert (only["state"], only["rows"], only["asked"], only["answered"]) == ("done", 6, 6, 6)
    assert only["size"] == sum(path.stat().st_size for path in (tmp_path / "answers.run").iterdir())
    table = grace("runs", "--folder", tmp_path).out.splitlines()
    assert table[0].split()[:5] == ["run", "holds", "study", "model", "state"]
    assert table[1].split()[1:6] == ["answers", "study1", "canned", "done", "6"]


def test_a_run_with_open_requests_says_how_many(
    grace: Command, query: Command, canned: CannedServer, tmp_path: Path
) -> None:
    assert query("--limit", 2).code == 0

    async def refuse(number: int, body: dict[str, Any]) -> web.Response:
        return error(400, "no")

    canned.handler = refuse
    assert query("--limit", 5).code == 1
    only = as_json(grace, tmp_path)["answers.run"]
    assert (only["state"], only["asked"], only["answered"]) == ("unfinished", 5, 2)
    assert "3 of 5 requests are open, 3 failed" in grace("runs", "--folder", tmp_path).out


def test_runs_of_all_kinds_and_their_shards_are_done(grace: Command) -> None:
    runs = as_json(grace, EARLIER)
    assert {name for name, run in runs.items() if run["state"] != "done"} == {"faults.run"}
    assert (
        runs["parts.shard-0-of-2.run"]["asked"] + runs["parts.shard-1-of-2.run"]["asked"] == runs["parts.run"]["asked"]
    )
    assert runs["skies.shard-0-of-2.run"]["asked"] < runs["skies.run"]["asked"]
    structured = runs["politeness_other_structured.run"]
    assert (structured["experiment"], structured["model"], structured["rows"]) == ("extract", "other", 16)
    assert structured["asked"] is None


def test_a_session_that_was_killed_shows(query: Command, tmp_path: Path) -> None:
    assert query("--limit", 2).code == 0
    run = Run(tmp_path / "answers.run")
    run.widen(4, 1)
    run.sessions[-1].ended = None
    run.save()
    assert (listed(Run(run.path)).state, listed(Run(run.path)).why) == ("stopped", "2 of 4 requests are open")


def test_a_run_that_is_written_shows_and_stays(grace: Command, query: Command, tmp_path: Path) -> None:
    assert query("--limit", 2).code == 0
    run = Run(tmp_path / "answers.run")
    with run.locked():
        assert listed(run).state == "being written"
        with pytest.raises(RunLocked, match="is being written by process"):
            removal(run.path)
        assert grace("runs", "remove", run.path, "--yes").code == 2
    what = removal(run.path)
    with run.locked(), pytest.raises(RunLocked):
        remove(what)
    assert run.ledger.exists()


def test_damaged_runs_are_listed_with_what_is_wrong(grace: Command, tmp_path: Path) -> None:
    (tmp_path / "a.run").mkdir()
    (tmp_path / "a.run" / "run.json").write_text("{")
    only = as_json(grace, tmp_path)["a.run"]
    assert only["state"] == "damaged"
    assert "is damaged; restore it from a copy" in only["why"]


def test_runs_are_found_below_but_not_in_hidden_folders_or_runs(tmp_path: Path) -> None:
    for name in ("b/c.run", "a.run", "a.run/inner.run", ".venv/d.run", "node_modules/e.run"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").touch()
    assert [run.path.name for run in runs_below(tmp_path)] == ["a.run", "c.run"]
    with pytest.raises(InputError, match="is no folder"):
        list(runs_below(tmp_path / "gone"))


def test_where_there_is_no_run_it_says_what_makes_one(grace: Command, tmp_path: Path) -> None:
    assert "no run in" in grace("runs", "--folder", tmp_path).out
    assert grace("runs", "--folder", tmp_path, "--json").out.strip() == "[]"


def test_a_removal_says_what_it_takes_and_what_stays(grace: Command, tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    shutil.copytree(EARLIER, folder)
    done = grace("runs", "remove", folder / "knowledge.run", "--yes")
    assert done.code == 0, done
    assert "answers of table for study1, 4 files" in done.out
    assert f"{folder / 'knowledge.csv'} stays, but can no longer be made again" in done.out
    assert f"{folder / 'knowledge_structured.run'} stays" in done.out
    assert not (folder / "knowledge.run").exists()
    assert (folder / "knowledge.csv").exists()
    assert (folder / "knowledge_scores.run" / "ledger.jsonl").exists()


def test_decisions_of_people_are_counted_before_they_go(grace: Command, tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    shutil.copytree(EARLIER, folder)
    decided = sum(session.decided or 0 for session in Run(folder / "judged_structured.run").sessions)
    assert decided
    assert f"{decided} decision" in grace("runs", "remove", folder / "judged_structured.run", "--yes").out


def test_nothing_is_removed_without_a_yes(
    grace: Command, query: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert query("--limit", 2).code == 0
    run = tmp_path / "answers.run"
    done = grace("runs", "remove", run)
    assert done.code == 2
    assert "add --yes" in done.err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    asked: list[str] = []
    monkeypatch.setattr("typer.confirm", lambda text: asked.append(text) or False)
    assert grace("runs", "remove", run).code == 1
    assert asked == ["Remove it for good?"]
    assert run.exists()
    monkeypatch.setattr("typer.confirm", lambda text: True)
    assert grace("runs", "remove", run).code == 0
    assert not run.exists()


@pytest.mark.parametrize("what", ["folder", "file", "missing", "link", "stranger", "folder inside"])
def test_what_is_not_a_run_stays(grace: Command, query: Command, tmp_path: Path, what: str) -> None:
    assert query("--limit", 2).code == 0
    run = tmp_path / "answers.run"
    given = tmp_path / "given"
    match what:
        case "folder":
            given.mkdir()
            (given / "thesis.txt").write_text("all of it")
        case "file":
            given.write_text("all of it")
        case "link":
            given.symlink_to(run)
        case "stranger":
            given = run
            (run / "thesis.txt").write_text("all of it")
        case "folder inside":
            given = run
            (run / "thesis").mkdir()
    before = sorted(tmp_path.rglob("*"))
    done = grace("runs", "remove", given, "--yes")
    assert done.code == 2, done
    assert str(given) in done.err
    assert sorted(tmp_path.rglob("*")) == before


def test_several_runs_go_together_or_none_does(grace: Command, query: Command, tmp_path: Path) -> None:
    assert query("--limit", 2).code == 0
    assert grace("runs", "remove", tmp_path / "answers.run", tmp_path / "gone.run", "--yes").code == 2
    assert (tmp_path / "answers.run").exists()


def test_what_a_killed_process_left_goes_with_the_run(grace: Command, query: Command, tmp_path: Path) -> None:
    assert query("--limit", 2).code == 0
    run = tmp_path / "answers.run"
    (run / ".run.json.4711.tmp").write_text("{")
    (run / "noise.jsonl").touch()
    assert grace("runs", "remove", run, "--yes").code == 0
    assert not run.exists()


# --- the model's name ------------------------------------------------------------------------------------------------


def test_the_name_of_the_only_model_of_a_server_may_be_left_out(
    grace: Command, canned: CannedServer, trials: Path, tmp_path: Path
) -> None:
    where = ["--input", trials, "--output", tmp_path / "answers.csv", "--limit", 2, "--model-endpoint", canned.url]
    assert grace("query", "study1", *where).code == 0
    assert Run(tmp_path / "answers.run").identity.model["name"] == "canned"
    assert grace("query", "study1", *where, "--model-name", "canned").code == 0
    assert len((tmp_path / "answers.run" / "ledger.jsonl").read_text().splitlines()) == 2
    assert grace("check-endpoint", canned.url).code == 0


def test_of_several_models_one_has_to_be_named(
    grace: Command, canned: CannedServer, trials: Path, tmp_path: Path
) -> None:
    canned.models = ["one", "two"]
    where = ["--input", trials, "--output", tmp_path / "answers.csv", "--model-endpoint", canned.url]
    done = grace("query", "study1", *where)
    assert done.code == 3
    assert "serves one, two; say which with --model-name" in done.err
    assert not (tmp_path / "answers.run" / "run.json").exists()


# --- the Tab key -----------------------------------------------------------------------------------------------------


def offers(grace: Command, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """What the Tab key offers after some words."""
    monkeypatch.setattr(sys, "argv", ["grace"])
    monkeypatch.setattr(sys.modules["__main__"], "__package__", "")  # else it is called after `python -m pytest`
    monkeypatch.setenv("_GRACE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(["grace", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    done = grace()
    monkeypatch.delenv("_GRACE_COMPLETE")
    return done.out.split()


def test_models_and_studies_complete(
    grace: Command, canned: CannedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study_mine.yaml").touch()
    (tmp_path / "study.csv").touch()
    (tmp_path / "studies").mkdir()
    assert offers(grace, monkeypatch, "query", "stud") == ["study1", "study2", "studies/", "study_mine.yaml"]
    assert offers(grace, monkeypatch, "data", "check", "x.csv", "--study", "study_") == ["study_mine.yaml"]
    assert "smollm2-135m" in offers(grace, monkeypatch, "score", "--model-name", "smol")
    assert offers(grace, monkeypatch, "models", "show", "gemma-2-2b") == ["gemma-2-2b-it"]
    asked = ("query", "--model-endpoint")
    assert offers(grace, monkeypatch, *asked, canned.url, "--model-name", "c") == ["canned"]
    assert offers(grace, monkeypatch, *asked, f"http://127.0.0.1:{unused_port}", "--model-name", "c") == []

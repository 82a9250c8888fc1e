"""Grace from Python: the commands' work on frames, dicts and files, in scripts, coroutines and notebooks."""

import asyncio
import csv
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
from aiohttp import web

import grace
import grace.aio
from canned import CannedServer, error
from conftest import ROOT, Command
from grace.calls.display import CELL_SECONDS, InCell
from grace.calls.trials import trials_file
from grace.progress import Progress
from grace.runs import Run
from limits import HANG


def dicts_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def options(canned: CannedServer, tmp_path: Path) -> dict[str, Any]:
    """What calls about `trials` on `canned` have in common."""
    return {"output": tmp_path / "answers.csv", "model_endpoint": canned.url, "progress": False}


# With a real model


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, one_core: None) -> dict[str, Any]:
    """Four trials, asked in all ways."""
    folder = tmp_path_factory.mktemp("real")
    trials = pandas.read_csv(ROOT / "data" / "agreement.csv").head(4)
    answers = grace.ask(trials, output=folder / "a.csv", max_tokens=24, temperature=0.2, progress=False)
    return {
        "trials": trials,
        "answers": answers,
        "values": grace.extract(answers, output=folder / "values.csv", progress=False),
        "scores": grace.score(trials, output=folder / "scores.parquet", progress=False),
    }


def test_a_frame_is_asked_read_and_scored(real: dict[str, Any]) -> None:
    trials, answers, values, scores = real["trials"], real["answers"], real["values"], real["scores"]
    assert [each.experiment for each in (answers, values, scores)] == ["generate", "extract", "score"]
    assert [len(each) for each in (answers, values, scores)] == [4, 4, 4]
    assert {answers.study, values.study, scores.study} == {"agreement"}
    assert (answers.model, values.model) == ("smollm2-135m", None)
    assert answers.complete
    assert scores.complete
    frame = scores.to_pandas()
    assert frame[list(trials.columns)].equals(trials.astype(frame["noun"].dtype))
    assert numpy.allclose(frame["prob_verb_singular"] + frame["prob_verb_plural"], 1.0)
    assert frame["error"].isna().all()
    assert answers.to_pandas()["completion_tokens"].dtype == "int64"
    assert "Verb" in values.columns
    assert values.to_dicts()[0]["model_response"] == answers.to_dicts()[0]["model_response"]


def test_its_extraction_belongs_to_its_run(real: dict[str, Any]) -> None:
    assert Run(real["values"].run).identity.source is not None


def test_probabilities_are_long(real: dict[str, Any]) -> None:
    long = pandas.DataFrame(real["scores"].probabilities())
    assert list(long.columns) == ["row", "question", "label", "probability", "label_mass"]
    assert len(long) == 8
    assert numpy.allclose(long.groupby("row")["probability"].sum(), 1.0)
    with pytest.raises(grace.InputError, match="holds no probabilities"):
        real["answers"].probabilities()


@pytest.mark.parametrize("what", ["answers", "values", "scores"])
def test_a_run_is_loaded_as_it_was_given(real: dict[str, Any], what: str) -> None:
    given = real[what]
    for place in (given.run, str(given.path)):
        loaded = grace.load_run(place)
        assert loaded.columns == given.columns
        assert loaded.to_dicts() == given.to_dicts()
        assert (loaded.path, loaded.model, loaded.study) == (given.path, given.model, given.study)


def test_a_notebook_shows_the_first_rows(real: dict[str, Any]) -> None:
    shown = real["scores"]._repr_html_()
    assert "4 rows, score of smollm2-135m, study agreement" in shown
    assert shown.count("<tr>") == 5
    assert "<td>window</td>" in shown


# The same ledger as the commands


def test_a_call_continues_what_a_command_began(
    query: Command, canned: CannedServer, trials: Path, options: dict[str, Any]
) -> None:
    assert query("--limit", 5).code == 0
    asked = canned.count
    answers = grace.ask(trials, "study1", **options)
    assert len(answers) == 12
    assert canned.count == asked + 7
    frame = pandas.read_csv(trials, dtype=str, keep_default_na=False)
    for same in (frame, dicts_of(trials), trials):
        assert grace.ask(same, "study1", **options).to_dicts() == answers.to_dicts()
    assert query().code == 0
    assert canned.count == asked + 7
    assert dicts_of(options["output"]) == [
        {name: "" if cell is None else str(cell) for name, cell in row.items()} for row in answers.to_dicts()
    ]


def test_a_killed_call_continues_when_it_is_called_again(
    canned: CannedServer, trials: Path, options: dict[str, Any]
) -> None:
    canned.latency = 0.05
    code = (
        "import csv, grace\n"
        f"trials = list(csv.DictReader(open({str(trials)!r}, newline='')))\n"
        f"grace.ask(trials, 'study1', output={str(options['output'])!r}, model_endpoint={canned.url!r}, "
        "concurrency=1, progress=False)\n"
    )
    ledger = Run.beside(options["output"]).ledger
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        end = time.monotonic() + HANG
        while not (ledger.exists() and ledger.read_bytes().count(b"\n") >= 3) and time.monotonic() < end:
            time.sleep(0.01)
        process.kill()
    kept = ledger.read_bytes().count(b"\n")
    assert 3 <= kept < 12
    canned.latency, before = 0.0, canned.count
    answers = grace.ask(dicts_of(trials), "study1", **options)
    assert answers.complete
    assert canned.count - before == 12 - kept


def test_what_a_command_refuses_is_raised(
    query: Command, trials: Path, options: dict[str, Any], tmp_path: Path
) -> None:
    assert query("--limit", 2).code == 0
    with pytest.raises(grace.RunMismatch, match="made with different settings"):
        grace.ask(trials, "study1", temperature=0.1, **options)
    with Run.beside(options["output"]).locked(), pytest.raises(grace.RunLocked):
        grace.ask(trials, "study1", **options)
    with pytest.raises(grace.InputError, match="there is no study 'study3'"):
        grace.ask(trials, "study3", **options)
    with pytest.raises(grace.EndpointError):
        grace.ask(trials, "study1", output=tmp_path / "b.csv", model_endpoint="http://127.0.0.1:9", progress=False)
    with pytest.raises(grace.InputError, match="is not a run"):
        grace.load_run(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ({"max_tokens": 0}, "--max-tokens 0: is less than 1"),
        ({"temperature": float("nan")}, "--temperature nan"),
        ({"temperature": "warm"}, "--temperature 'warm': is no number"),
        ({"limit": "ten"}, "--limit 'ten': is no number"),
        ({"timeout": [1]}, "--timeout .1.: is no number"),
        ({"concurrency": 0}, "--concurrency 0: is less than 1"),
        ({"limit": 0}, "--limit 0: is less than 1"),
        ({"api_key_env": "NO_SUCH_KEY"}, "--api-key-env NO_SUCH_KEY: no such environment variable"),
    ],
)
def test_arguments_are_checked_first(
    odd: dict[str, Any], message: str, canned: CannedServer, trials: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(grace.InputError, match=message):
        grace.ask(trials, "study1", **options, **odd)
    assert canned.count == 0


def test_failures_are_warned_of_and_asked_again(canned: CannedServer, trials: Path, options: dict[str, Any]) -> None:
    async def one_fails(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return error(400, "not this one") if number == 5 else None

    canned.handler = one_fails
    with pytest.warns(grace.IncompleteWarning, match="1 failed with http 400: .*not this one"):
        answers = grace.ask(trials, "study1", **options)
    assert not answers.complete
    assert answers.failures == {"http 400": 1}
    assert answers.errors.total() == 1
    assert grace.ask(trials, "study1", **options).complete
    assert canned.count == 13


def test_a_project_s_endpoint_is_the_default(
    canned: CannedServer, trials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "grace.yaml").write_text(f"endpoint: {canned.url}\nmodel: canned\n")
    monkeypatch.chdir(tmp_path)
    assert grace.ask(trials, "study1", output="a.csv", limit=1, progress=False).model == "canned"
    assert canned.count == 1


# Coroutines, notebooks, interrupts


def test_it_works_inside_a_running_loop(canned: CannedServer, trials: Path, options: dict[str, Any]) -> None:
    async def cell() -> grace.RunTable:
        return grace.ask(trials, "study1", **options)

    assert asyncio.run(cell()).complete


def test_several_are_asked_at_once(canned: CannedServer, trials: Path, options: dict[str, Any]) -> None:
    canned.latency = 0.02
    ticks = 0

    async def both() -> list[grace.RunTable]:
        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        beside = asyncio.create_task(tick())
        outputs = [options["output"].with_stem(name) for name in "ab"]
        tables = await asyncio.gather(
            *(grace.aio.ask(trials, "study1", **{**options, "output": output}) for output in outputs)
        )
        beside.cancel()
        return tables

    assert [table.complete for table in asyncio.run(both())] == [True, True]
    assert canned.count == 24
    assert ticks > 1


def test_a_cancelled_call_keeps_its_answers(canned: CannedServer, trials: Path, options: dict[str, Any]) -> None:
    canned.latency = 0.05
    begun = threading.Event()

    async def third(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if number == 3:
            begun.set()
        return None

    canned.handler = third

    async def cancelled() -> None:
        task = asyncio.create_task(grace.aio.ask(trials, "study1", concurrency=1, **options))
        await asyncio.to_thread(begun.wait, HANG)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    kept = Run.beside(options["output"]).ledger.read_bytes().count(b"\n")
    assert 3 <= kept < 12
    canned.latency, before = 0.0, canned.count
    assert grace.ask(trials, "study1", **options).complete
    assert canned.count - before == 12 - kept


@pytest.mark.parametrize("looped", [True, False], ids=["in a notebook", "in a script"])
def test_an_interrupt_keeps_the_answers(
    looped: bool, canned: CannedServer, trials: Path, options: dict[str, Any]
) -> None:
    canned.latency = 0.05

    async def interrupt(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if number == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return None

    canned.handler = interrupt

    async def cell() -> None:
        with pytest.raises(KeyboardInterrupt, match="the same call continues"):
            grace.ask(trials, "study1", concurrency=1, **options)

    if looped:  # without asyncio.run, which handles the signal itself; notebooks' kernels do not
        loop = asyncio.new_event_loop()
        loop.run_until_complete(cell())
        loop.close()
    else:
        with pytest.raises(KeyboardInterrupt, match="the same call continues"):
            grace.ask(trials, "study1", concurrency=1, **options)
    kept = Run.beside(options["output"]).ledger.read_bytes().count(b"\n")
    assert 3 <= kept < 12


def test_a_cell_shows_progress_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("grace.calls.display.time.monotonic", lambda: now[0])
    shown: list[str] = []

    class Cell:
        def update(self, said: Any, *, raw: bool) -> None:
            assert raw
            shown.append(said["text/plain"])

    def show(said: str) -> Cell:
        shown.append(said)
        return Cell()

    cell: Progress = InCell(show)
    cell.note("checking the server")
    cell.begin(40, 10)
    assert shown[0] == "grace: checking the server"
    assert shown[-1].splitlines()[-1] == "10 of 40 requests"
    before = len(shown)
    for _ in range(30):
        now[0] += CELL_SECONDS / 10
        cell.advance(failed=False)
    assert len(shown) - before <= 5
    assert shown[-1].splitlines()[0] == "grace: checking the server"
    assert shown[-1].splitlines()[-1] == "40 of 40 requests, 40.0 a second"


def test_whoever_listens_is_told(canned: CannedServer, trials: Path, options: dict[str, Any]) -> None:
    told: list[str] = []
    grace.ask(trials, "study1", **{**options, "progress": InCell(lambda said: told.append(said) or _Deaf())})  # type: ignore[func-returns-value]
    assert told[0].startswith("grace: ")


class _Deaf:
    def update(self, said: Any, *, raw: bool) -> None: ...


# Tables in and out


def test_a_frame_s_cells_are_what_people_see(tmp_path: Path) -> None:
    frame = pandas.DataFrame(
        {
            "word": ["a, b", None, 'c "d"'],
            "age": [30, None, 41],
            "share": [0.1, 2.5, None],
            "is_old": [True, False, True],
            "day": pandas.to_datetime(["2026-01-02"] * 3),
            "n": numpy.array([1, 2, 3], dtype="int8"),
            "kind": pandas.Categorical(["x", "y", "x"]),
        },
        index=[7, 8, 9],
    )
    with trials_file(frame) as path:
        first, second, third = dicts_of(path)
    assert first == {
        "word": "a, b",
        "age": "30",
        "share": "0.1",
        "is_old": "True",
        "day": "2026-01-02 00:00:00",
        "n": "1",
        "kind": "x",
    }
    assert (second["word"], second["age"], second["share"]) == ("", "", "2.5")
    assert (third["word"], third["age"], third["share"]) == ('c "d"', "41", "")
    assert not path.exists()


def test_records_may_lack_cells() -> None:
    with trials_file({"a": number, **({"b": "x"} if number else {})} for number in (0, 1)) as path:
        assert path.read_text() == "a,b\n0,\n1,x\n"


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ([], "are empty"),
        ([{"a": 1}, "b"], "row 2 is a str"),
        ([{"a": 1}, {"a": [1]}], "row 2, column 'a': holds a list"),
        ([{1: 2}], "the column 1 has no text as its name"),
        ([{"a": "\ud800"}], "hold text that is no Unicode"),
    ],
)
def test_what_is_no_table_is_refused(trials: Any, message: str) -> None:
    with pytest.raises(grace.InputError, match=message), trials_file(trials):
        pass


def test_errors_name_the_trials_and_no_temporary_file(options: dict[str, Any]) -> None:
    with pytest.raises(grace.InputError, match=r"^the trials: no column 'participant_id'"):
        grace.ask([{"story_setup": "x"}], "study1", **options)


def test_numbers_with_decimal_commas_are_numbers(canned: CannedServer, tmp_path: Path) -> None:
    study = tmp_path / "own.yaml"
    study.write_text(
        "name: own\ntitle: Own\ncolumns: {item: {}, weight: {type: number}, count: {type: integer}, price: {}}\n"
        "questions: {asked: {prompt: '{{ item }} {{ weight }}?', answers: {labels: {yes: 'yes', no: 'no'}}}}\n"
        "protocols: {asked: {turns: {response: '{{ item }} {{ weight }}?'}}}\n"
    )
    table = tmp_path / "trials.csv"
    table.write_text("item;weight;count;price\na;3,5;2;4,5\nb;1.234,5;3;1\n")
    answers = grace.ask(table, study, output=tmp_path / "a.csv", model_endpoint=canned.url, progress=False)
    for each in (answers, grace.load_run(answers.run)):
        frame = each.to_pandas()
        assert frame["weight"].tolist() == [3.5, 1234.5]
        assert frame["count"].tolist() == [2, 3]
        assert frame["price"].tolist() == ["4,5", "1"]


def test_without_pandas_it_says_what_to_do(
    canned: CannedServer, trials: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    answers = grace.ask(dicts_of(trials), "study1", limit=1, **options)
    assert answers.to_dicts()[0]["model_name"] == "canned"
    with pytest.raises(grace.InputError, match=r"needs pandas.*grace-experiments\[analysis\].*to_dicts"):
        answers.to_pandas()


# What `import grace` is


def test_import_grace_loads_nothing_heavy() -> None:
    heavy = {"aiohttp", "jinja2", "numpy", "orjson", "pandas", "pydantic", "rich", "typer", "yaml"}
    code = f"import sys, grace; dir(grace); print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_its_names_are_there() -> None:
    assert set(grace.__all__) <= set(dir(grace))
    for name in grace.__all__:
        assert getattr(grace, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = grace.nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["ask", "score", "extract"])
def test_both_forms_have_the_same_arguments_and_documentation(name: str) -> None:
    one, other = getattr(grace, name), getattr(grace.aio, name)
    assert inspect.signature(one) == inspect.signature(other)
    assert inspect.signature(one).return_annotation is grace.RunTable
    assert inspect.iscoroutinefunction(other)
    documented = inspect.getdoc(one)
    assert documented == inspect.getdoc(other)
    for parameter in inspect.signature(one).parameters:
        assert f"    {parameter}: " in str(documented), parameter


@pytest.mark.parametrize(("name", "command"), [("ask", "query"), ("score", "score"), ("extract", "extract")])
def test_arguments_are_the_options_of_the_command(name: str, command: str) -> None:
    import grace.cli.extract
    import grace.cli.query
    import grace.cli.score

    options = inspect.signature(getattr(sys.modules[f"grace.cli.{command}"], command)).parameters
    arguments = inspect.signature(getattr(grace, name)).parameters
    formats = {"encoding", "delimiter", "decimal", "skip_rows", "sheet"}
    assert set(options) - formats - {"input", "dry_run", "shard"} == set(arguments) - {
        "trials",
        "answers",
        "progress",
        "table_format",
    }
    for option, own in options.items():
        if option in arguments and option not in ("output", "model_endpoint", "concurrency", "extra_body"):
            assert arguments[option].default == own.default, option

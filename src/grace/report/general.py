"""The report of any study: means by condition, the contrasts that its file names, and the tests of mixed models."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from grace.analysis.analyze import Table
from grace.analysis.mixed import INFORMATIVE, WIDE
from grace.analysis.names import LINEAR, LOGISTIC, kind_in
from grace.analysis.study_people import with_people
from grace.columns import MODEL
from grace.report.grids import Grid, Record, Records, heads, listing, models_of, named, records
from grace.report.markdown import plain
from grace.report.numbers import (
    NOTHING,
    chi_of,
    counted,
    decimal,
    f_of,
    interval,
    is_known,
    p_in_words,
    p_value,
    share,
    t_of,
    whole,
)
from grace.report.phrases import EXACT, verdict
from grace.report.study_report import StudyReport
from grace.studies.contrasts import Contrast
from grace.studies.study import Study

EXPERIMENTS = {1: "answers (Experiment 1)", 2: "probabilities (Experiment 2)"}
LABELLED = "rows with a label"
LAST = "experiment"
"""The column of means.csv that follows those of the condition."""


def general_report(study: Study) -> StudyReport:
    """What is reported of a study that has no report of its own."""
    about = {contrast.name: contrast for contrast in study.contrasts}
    return StudyReport(
        name=study.name,
        grids=lambda tables, exclusions: _grids(tables, about),
        results=lambda own: _results(own, about),
        methods=lambda kinds, exclusions: _methods(kinds, study),
        theory=tuple,
        people=lambda: Table(("test",), ()),
    )


def _grids(tables: Mapping[str, Table], about: Mapping[str, Contrast]) -> Iterator[Grid]:
    means = tables.get("means")
    rows = with_people(records(means), records(tables.get("people_means")))
    tested = with_people(records(tables.get("contrasts")), records(tables.get("people_contrasts")))
    factors = _factors(means)
    for experiment in EXPERIMENTS:
        own = [row for row in rows if row[LAST] == experiment]
        for measure in dict.fromkeys(str(row["measure"]) for row in own):
            yield from _means([row for row in own if row["measure"] == measure], factors, measure, experiment)
        yield from _contrasts(tested, experiment, about)
        yield from _variation(records(tables.get("variation")), experiment)
    scored = {str(row["measure"]) for row in rows if row[LAST] == 2} - {
        str(row["measure"]) for row in rows if row[LAST] == 1
    }
    yield from _tests(records(tables.get("tests")), scored)


def _factors(means: Table | None) -> list[str]:
    if means is None:
        return []
    columns = list(means.columns)
    return [name for name in columns[: columns.index(LAST)] if name != MODEL]


def _number(row: Record, name: str) -> str:
    """A share or probability without its zero, or a number on another scale."""
    return share(row[name], 2) if row["value"] else decimal(row[name], 2)


def _with_interval(row: Record, name: str) -> str:
    text = _number(row, name)
    if is_known(row["low"]) and is_known(row["high"]):
        return f"{text} [{_number(row, 'low')}, {_number(row, 'high')}]"
    return text


def _means(rows: Records, factors: list[str], measure: str, experiment: int) -> Iterator[Grid]:
    """A line for each condition, a column for each label, or one for the mean."""
    several = len(models_of(rows)) > 1
    keys = named(factors, several)
    labels = list(dict.fromkeys(str(row["value"]) for row in rows))
    lines: dict[tuple[str, ...], dict[str, Record]] = {}
    for row in rows:
        lines.setdefault(tuple(str(row.get(key) or "") for key in keys), {})[str(row["value"])] = row
    # numbers that are no label have a mean and no share, so shares may be of fewer rows
    apart = any(len({row["n"] for row in own.values()}) > 1 for own in lines.values())
    cells = []
    for key, own in lines.items():
        first = next(iter(own.values()))
        numbers = [_with_interval(own[label], "mean") if label in own else NOTHING for label in labels]
        counts = [whole(first["n"])]
        if apart:
            of_labels = min(int(str(row["n"])) for row in own.values())
            counts.append(f"{whole(of_labels)} of {whole(first['n'])}")
        cells.append((*key, *numbers, *counts, whole(first["stimuli"])))
    what = {1: "share of answers", 2: "mean probability"}[experiment]
    what = "mean" if labels == [""] else what
    head = (*heads(keys), *(label or "mean" for label in labels), "rows", *([LABELLED] if apart else []), "stimuli")
    note = f"{LABELLED}: the shares are of these alone; the other answers are other numbers" if apart else ""
    title = f"{measure}: {what} by condition, with 95% intervals over stimuli (Experiment {experiment})"
    yield Grid(f"means-{experiment}-{measure}", title, head, tuple(cells), len(keys), note, experiment)


def _contrasts(rows: Records, experiment: int, about: Mapping[str, Contrast]) -> Iterator[Grid]:
    own = [row for row in rows if row["experiment"] == experiment]
    several = len(models_of(rows)) > 1
    model: dict[str, Callable[[Record], str]] = {"model": lambda row: str(row[MODEL])} if several else {}
    columns: dict[str, Callable[[Record], str]] = {
        **model,
        "contrast": lambda row: str(row["contrast"]),
        "of": measure_of,
        "a": lambda row: f"{row['a']}: {_number(row, 'mean_a')}",
        "b": lambda row: f"{row['b']}: {_number(row, 'mean_b')}",
        "a less b [95%]": lambda row: _with_interval(row, "difference"),
        "t": t_of_contrast,
        "p Holm": lambda row: p_value(row["p_holm"]),
        "pairs": lambda row: whole(row["pairs"]),
        "note": lambda row: str(row["note"] or ""),
    }
    title = f"Contrasts that the study file names, paired by item (Experiment {experiment}); two-sided t tests"
    names = dict.fromkeys(str(row["contrast"]) for row in own)
    note = "; ".join(f"{name}: {about[name].about}" for name in names if name in about and about[name].about)
    yield from listing(f"contrasts-{experiment}", title, own, columns, 1 + several, note, experiment)


def of_people(study: Study, tables: Mapping[str, Table]) -> Iterator[Grid]:
    """How near each model comes to the people's data that a study brings."""
    rows = records(tables.get("people_fit"))
    several = len(models_of(rows)) > 1
    model: dict[str, Callable[[Record], str]] = {"model": lambda row: str(row[MODEL])} if several else {}
    columns: dict[str, Callable[[Record], str]] = {
        **model,
        "of": measure_of,
        "experiment": lambda row: whole(row["experiment"]),
        "conditions": lambda row: whole(row["conditions"]),
        "mean difference": lambda row: _number(row, "mean_difference"),
        "stimuli": lambda row: whole(row["stimuli"]),
        "r [95%]": _correlation,
        "p": lambda row: p_value(row["p"]),
        "note": lambda row: str(row["note"] or ""),
    }
    note = (
        "Mean difference: of the conditions' means, whatever its direction. r: Pearson's correlation of the means of "
        "stimuli; an effect that both have makes it large, so look at the contrasts, too. People's own means and "
        "contrasts stand beside the models' above."
    )
    source = f" ({study.people.source})" if study.people and study.people.source else ""
    yield from listing("people", f"How near to people{source} each model is", rows, columns, 1 + several, note)


def _correlation(row: Record) -> str:
    if not is_known(row["r"]):
        return NOTHING
    return f"{share(row['r'], 2)} {interval(row['low'], row['high'])}".strip()


def _variation(rows: Records, experiment: int) -> Iterator[Grid]:
    own = [row for row in rows if row["experiment"] == experiment]
    several = len(models_of(rows)) > 1
    model: dict[str, Callable[[Record], str]] = {"model": lambda row: str(row[MODEL])} if several else {}
    columns: dict[str, Callable[[Record], str]] = {
        **model,
        "factor": lambda row: str(row["factor"]),
        "of": measure_of,
        "shift of all trials": lambda row: share(row["shift"], 2),
        "any change": lambda row: share(row["change"], 2),
        "trials": lambda row: whole(row["trials"]),
        "levels": lambda row: whole(row["levels"]),
    }
    title = f"Share of the variance that is due to what the study varies (Experiment {experiment})"
    chance = "; in answers also the chance of single draws" if experiment == 1 else ""
    note = f"any change: also what a level does to some trials and not to others{chance}"
    yield from listing(f"variation-{experiment}", title, own, columns, 1 + several, note, experiment)


def measure_of(row: Record) -> str:
    """What a contrast compares, in words."""
    return f"{row['measure']} = {row['value']}" if row["value"] else str(row["measure"])


def t_of_contrast(row: Record) -> str:
    """The t of a row of contrasts.csv."""
    return t_of({"statistic": row["t"], "df1": row["df"]})


def _tests(rows: Records, scored: Collection[str]) -> Iterator[Grid]:
    """The tests of mixed models; `scored` are the measures of Experiment 2."""
    several = len(models_of(rows)) > 1
    model: dict[str, Callable[[Record], str]] = {"model": lambda row: str(row[MODEL])} if several else {}
    columns: dict[str, Callable[[Record], str]] = {
        **model,
        "effect": lambda row: str(row["test"]).partition(":")[2].replace(":", " x ").replace(" x ", ": ", 1),
    }
    last: dict[str, Callable[[Record], str]] = {
        "rows": lambda row: whole(row["n"]),
        "note": lambda row: str(row["note"] or ""),
    }
    p: dict[str, Callable[[Record], str]] = {"p": lambda row: p_value(row["p"])}
    linear = {**columns, "F": f_of, **p, "partial η²": lambda row: share(row["effect_size"]), **last}
    logistic = {**columns, "χ²": chi_of, **p, **last}
    intercepts = "with random intercepts of items, and of participants where there are any"
    own = [row for row in rows if kind_in(row["test"]) == LINEAR]
    for experiment, name in ((1, "mixed"), (2, "mixed-2")):
        of_it = [row for row in own if (_tested(row) in scored) == (experiment == 2)]
        title = f"Effects in linear mixed models, {intercepts} (Experiment {experiment})"
        yield from listing(name, title, of_it, linear, 1 + several, experiment=experiment)
    own = [row for row in rows if kind_in(row["test"]) == LOGISTIC]
    title = f"Effects on answers in logistic mixed models, {intercepts}: penalised likelihood ratios"
    yield from listing("logistic", title, own, logistic, 1 + several, experiment=1)


def _tested(row: Record) -> str:
    """The measure that a test is about, from the test's name."""
    return str(row["test"]).split(":")[1].partition("=")[0]


def _results(own: Mapping[str, Records], about: Mapping[str, Contrast]) -> Iterable[str]:
    for experiment, name in EXPERIMENTS.items():
        rows = [row for row in own.get("contrasts", ()) if row["experiment"] == experiment]
        if sentences := [sentence_of(row, about) for row in rows]:
            yield f"Contrasts of {name}. {' '.join(sentences)}"


def sentence_of(row: Record, about: Mapping[str, Contrast]) -> str:
    """A contrast in a sentence."""
    name, of = plain(row["contrast"]), plain(measure_of(row))
    if not is_known(row["difference"]):
        return f"The contrast {name} of {of} is not defined ({plain(row['note'])})."
    means = f"{_number(row, 'mean_a')} ({plain(row['a'])}) against {_number(row, 'mean_b')} ({plain(row['b'])})"
    if row["pairs"] == 1:
        return f"The contrast {name} of {of} rests on a single item, so it is no result."
    what = f"The contrast {name} of {of} was {_with_interval(row, 'difference')}: {means}"
    if not is_known(row["p_holm"]):
        return f"{what}; it is not tested ({plain(row['note'])})."
    t = t_of_contrast(row) if is_known(row["t"]) else EXACT
    p = f"Holm-corrected *p* {p_in_words(row['p_holm'])}"
    return f"{what}, {verdict(row['p_holm'])}, {t}, {p}, over {counted(row['pairs'], 'item')}."


def _methods(kinds: frozenset[str], study: Study) -> Iterator[str]:
    yield (
        "Means by condition are means over stimuli (items within a condition), each of which counts once, with 95% "
        "intervals that stay within the scale."
    )
    if study.contrasts:
        yield (
            "Contrasts were computed for each item and tested by two-sided t tests over items, or where all items "
            "differ by the same by the exact test that flips signs, with Holm's correction within each experiment."
        )
    if LINEAR in kinds:
        yield (
            "Effects of the conditions were tested in linear mixed models with random intercepts of items and, in "
            "Experiment 1, of participants where there are any."
        )
    if LOGISTIC in kinds:
        yield (
            "Whether an answer was a label was also submitted to logistic mixed models with the same intercepts, "
            "fitted by variational Bayes with a normal prior of the coefficients (standard deviation "
            f"{WIDE:g}; {INFORMATIVE:g} under complete separation), and tested by penalised likelihood ratios; "
            "chi-squared was divided by the design effect of rows about the same stimulus (Rao & Scott 1984)."
        )

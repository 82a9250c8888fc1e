"""The study format: what it takes, what it refuses and in which words, and what a template can never reach."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from grace.declared import checked
from grace.errors import InputError, StudyError
from grace.studies.format import InputColumn, StudyFile
from grace.studies.study import BUILT_IN, Study, load_study, parse_study, refuse_doubt
from grace.studies.templates import lines_from_html
from grace.text import nearest

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
EXAMPLE = ROOT / "examples" / "some-and-all" / "study.yaml"
GUIDE = ROOT / "docs" / "add-a-study.md"

SMALL = """
name: small
title: A small study
columns:
  item: {}
  count: {type: integer, values: [1, 2, 3]}
  known: {values: [yes, no], required: false}
  key: {hidden: true}
derived:
  plural: "{{ 'many' if count == '3' else 'few' }}"
design: {item: item, cells: [plural]}
checks:
  - {that: "item != 'nothing'", otherwise: there is no item}
protocols:
  ask:
    turns:
      first: "{{ item }} {{ count }} {{ plural }}"
"""
ROW = {"item": "lamps", "count": "3", "known": "yes", "key": "secret"}


def study(changes: Mapping[str, str] | None = None) -> Study:
    """The small study with some of its text replaced."""
    text = SMALL
    for old, new in (changes or {}).items():
        assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
        text = text.replace(old, new)
    return parse_study(text.encode(), "small.yaml")


def said(study: Study, row: Mapping[str, str] = ROW) -> str:
    """The first message to the model about a row."""
    conversation = study.conversation(None)
    return conversation.turn(conversation.turns[0], study.complete(row))["content"]


def odd(study: Study, **cells: str) -> list[tuple[str, str]]:
    return list(study.oddities(study.complete({**ROW, **cells})))


# What is asked


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_studies_are_study_files_like_any_other(name: str, tmp_path: Path) -> None:
    built_in = load_study(name)
    copy = tmp_path / "copy.yaml"
    copy.write_bytes(built_in.content)
    assert load_study(str(copy)).sha256 == built_in.sha256


def test_a_message_is_made_from_the_row_and_its_derived_columns() -> None:
    assert said(study()) == "lamps 3 many"
    assert said(study(), {**ROW, "count": "1"}) == "lamps 1 few"


def test_derived_columns_may_build_on_earlier_ones() -> None:
    changed = study(
        {"derived:": 'derived:\n  first: "{{ item }}!"\n  second: "{{ first }}!"', "{{ plural }}": "{{ second }}"}
    )
    assert said(changed) == "lamps 3 lamps!!"


def test_columns_of_any_name_are_reached_by_row() -> None:
    changed = study({"item: {}": "item: {}\n  True state (1-3): {}", "{{ plural }}": "{{ row['True state (1-3)'] }}"})
    assert said(changed, {**ROW, "True state (1-3)": "x"}) == "lamps 3 x"


ODD_NAMES = ["row", "self", "none", "true", "false", "None", "True", "False", "loop", "super", "caller", "varargs",
             "kwargs", "range", "dict", "lipsum", "cycler", "joiner", "namespace", "not", "and", "or", "in", "is", "if",
             "else", "for", "set", "block", "items", "keys", "values", "get", "pop", "update", "Mean RT", "Mean-RT",
             "1st", "2", "a.b", "item.title", "item.count", "RT (ms)", "état", "反応", "ﬁeld", " item", "item ", "_",
             "__class__", "context", "environment", "result", "it's", 'a"b', "a\\b", "{{ item }}", "%}", "lines",
             "messages", "prompt", "system", "answer"]  # fmt: skip
"""Names of columns that templates may take for something else."""


def with_column(name: str, template: str) -> Study:
    """The small study with one more column, whose only turn is `template`."""
    spec = yaml.load(SMALL, yaml.BaseLoader)
    spec["columns"][name] = {}
    spec["protocols"]["ask"]["turns"]["first"] = template
    return parse_study(yaml.safe_dump(spec, allow_unicode=True).encode(), "small.yaml")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_column_of_any_name_is_shown_or_refused(name: str) -> None:
    """By `row`, it is always shown. By its name alone, it is shown, or the message says how to write it."""
    row = {**ROW, name: "CELL"}
    assert said(with_column(name, "{{ row[" + repr(name) + "] }}"), row) == "CELL"
    loop = "{% for x in [1] %}{{ NAME }}{% endfor %}"
    for template in (each.replace("NAME", name) for each in ("{{ NAME }}", "{{ NAME | lower }}", loop)):
        outcome = shown_or_refused(name, template, row)
        if name in (" item", "item ", "{{ item }}", "%}", 'a"b', "it's", "a\\b"):  # these do not look like a name
            assert "cell" not in outcome
        else:
            assert outcome == "cell" or f"row[{name!r}]".lower() in outcome, template


def shown_or_refused(name: str, template: str, row: Mapping[str, str]) -> str:
    """What a template says of a row, or why it is refused, in small letters."""
    try:
        return said(with_column(name, template), row).lower()
    except StudyError as error:
        return str(error).lower()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_check_sees_a_column_of_any_name(name: str) -> None:
    spec = yaml.load(SMALL, yaml.BaseLoader)
    spec["columns"][name] = {}
    spec["checks"][0]["that"] = f"row[{name!r}] == 'CELL'"
    changed = parse_study(yaml.safe_dump(spec, allow_unicode=True).encode(), "small.yaml")
    assert odd(changed, **{name: "CELL"}) == []
    assert odd(changed, **{name: "other"}) == [("", "there is no item")]


@pytest.mark.parametrize("template", [
    "{{ item.upper }}", "{{ row.items }}", "{{ row | map('upper') }}", "{{ self }}", "{{ item.title }}",
])  # fmt: skip
def test_what_is_no_text_is_never_shown(template: str) -> None:
    """Python would show its address, another one in every process."""
    with pytest.raises(StudyError):
        said(study({"{{ item }} {{ count }} {{ plural }}": template}))


def test_constants_stay_constants_where_no_column_has_their_name() -> None:
    template = "{% set x = none %}{{ x is none }} {{ true }} {{ item if item != None }} {{ row | length }}"
    assert said(study({"{{ item }} {{ count }} {{ plural }}": template})) == "True True lamps 4"


def test_two_names_that_python_takes_for_one_are_refused() -> None:
    with pytest.raises(StudyError, match="two names are 'item' to Python"):
        with_column("𝓲tem", "{{ item }} {{ 𝓲tem }}")


@pytest.mark.parametrize("name", ["row", "self", "true", "none"])
def test_derived_columns_and_each_cannot_have_a_name_of_templates(name: str) -> None:
    with pytest.raises(StudyError, match=rf"derived\.{name}: is a name of templates already; choose another name"):
        study({"derived:": f"derived:\n  {name}: x"})
    question = f"\nquestions:\n  q: {{each: {{{name}: [a]}}, prompt: x, answers: {{labels: {{b: b, c: c}}}}}}"
    with pytest.raises(StudyError, match=f"questions.q.each: '{name}' is a name that templates use already"):
        parse_study((SMALL + question).encode(), "small.yaml")


QUESTION = """
questions:
  q{k}:
    each: {k: [a, b]}
    prompt: "{{ item }} {{ k }}"
    answers: {labels: {yes: [yes, yeah], no: no}}
extraction:
  readings:
    mood:
      {read: choice, column: mood, labels: {glad: [happy], sad: [low]}, phrases: {sad: ["is down"]}, headings: [mood]}
"""


@pytest.mark.parametrize(("old", "place"), [
    ("yes:", "questions.q{k}.answers.labels"),
    ("no: no", "questions.q{k}.answers.labels"),
    ("[a, b]", "questions.q{k}.each.k"),
    ("column: mood", "extraction.readings.mood.column"),
    ("glad:", "extraction.readings.mood.labels"),
    ("is down", "extraction.readings.mood.phrases.sad"),
    ("headings: [mood]", "extraction.readings.mood.headings"),
])  # fmt: skip
@pytest.mark.parametrize("template", ["{{ item }}", "{% if item == count %}a{% endif %}", "a {# b #}"])
def test_a_template_where_text_is_meant_is_refused(old: str, place: str, template: str) -> None:
    inner = {"[a, b]": "[a, 'T']", "yes:": "'T':", "no: no": "'T': no", "glad:": "'T':", "column: mood": "column: 'T'",
             "headings: [mood]": "headings: ['T']", "happy": "'T'", "yeah": "'T'", "is down": "T"}[old]  # fmt: skip
    changed = (SMALL + QUESTION).replace(old, inner.replace("T", template))
    with pytest.raises(StudyError) as caught:
        parse_study(changed.encode(), "study.yaml")
    assert str(caught.value).startswith(f"study.yaml: {place}: '")
    assert "write the text out" in str(caught.value)


def test_names_of_each_are_not_filled_into_answers() -> None:
    with pytest.raises(StudyError, match=r"questions\.qa\.answers: \{k\} is not filled in here"):
        parse_study((SMALL + QUESTION).replace("yeah", "'{k}'").encode(), "study.yaml")
    parse_study((SMALL + QUESTION).encode(), "study.yaml")


def test_empty_and_absent_cells_reach_the_template_as_they_are() -> None:
    changed = study({"{{ plural }}": "[{{ known }}]"})
    assert said(changed, {**ROW, "known": "NA"}) == "lamps 3 [NA]"
    assert said(changed, {**ROW, "known": ""}) == "lamps 3 []"
    assert said(changed, {name: cell for name, cell in ROW.items() if name != "known"}) == "lamps 3 []"


def test_what_stands_in_a_cell_is_text_and_nothing_else() -> None:
    for cell in ("{{ count }}", "{% raw %}", "<b>&amp;</b>", "{# no #}", "a: b"):
        assert said(study(), {**ROW, "item": cell}) == f"{cell} 3 many"


@pytest.mark.parametrize(("cell", "shown"), [
    ("One.<br>Two.", "One.\nTwo."),
    ("One.<br> Two.", "One.\nTwo."),
    ("One. <br/> Two.<br />Three.", "One.\nTwo.\nThree."),
    ("One.<br><br>Two.", "One.\n\nTwo."),
    ("a < b", "a < b"),
    ("", ""),
])  # fmt: skip
def test_br_is_a_line_break(cell: str, shown: str) -> None:
    assert lines_from_html(cell) == shown
    assert said(study({"{{ item }} {{ count }} {{ plural }}": "{{ item | lines }}"}), {**ROW, "item": cell}) == shown


def test_a_system_message_stands_first_and_only_where_there_is_one() -> None:
    full = study().complete(ROW)
    assert study().conversation("ask").opening(full) == []
    changed = study({"  ask:": "  ask:\n    system: You know {{ item }}."})
    assert changed.conversation("ask").opening(full) == [{"role": "system", "content": "You know lamps."}]
    assert changed.conversation("ask").turns == ("first",)


def test_the_first_protocol_is_the_default_and_others_go_by_name() -> None:
    study1 = load_study("study1")
    assert study1.conversation(None).name == "single"
    assert study1.conversation("sequential").turns == ("prior", "state", "knowledge")
    with pytest.raises(InputError, match="study1 has no protocol 'both'; it has single, sequential"):
        study1.conversation("both")


def test_study1_asks_all_three_questions_in_both_protocols() -> None:
    questions = {"priorQ": "PRIOR?", "speachQ": "STATE?", "knowledgeQ": "KNOWS?"}
    row = {"story_setup": "A.<br> B.", "speach": "'1 of 1.'", "access": "1", "observe": "1", **questions}
    for name in ("single", "sequential"):
        study1 = load_study("study1")
        conversation, full = study1.conversation(name), study1.complete(row)
        whole = "\n".join(conversation.turn(turn, full)["content"] for turn in conversation.turns)
        assert [whole.count(question) for question in questions.values()] == [1, 1, 1]
        assert "A.\nB." in whole


def test_study2_never_shows_the_utterance() -> None:
    study2 = load_study("study2")
    row = {name: name for name in study2.columns} | {"Utterance": "SECRET", "Goal": "to feel good"}
    for name, conversation in study2.conversations.items():
        full = study2.complete(row)
        assert "SECRET" not in str([conversation.turn(turn, full) for turn in conversation.turns]), name
        assert "SECRET" not in full.values()


@pytest.mark.parametrize(("goal", "kind"), [
    ("If A wanted B to feel good", "social"),
    ("If A wanted to be accurate", "informational"),
    ("If A wanted B to feel good and to be accurate", "both"),
    ("If A wanted lunch", "NA"),
])  # fmt: skip
def test_study2_tells_goals_apart(goal: str, kind: str) -> None:
    assert load_study("study2").complete({"Goal": goal})["goal"] == kind


# What no template reaches


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("{{ " + 400 * "(" + "item" + 400 * ")" + " }}", id="brackets"),
        pytest.param("{{ " + 90_000 * "-" + "1 }}", id="signs"),
        pytest.param("{{ item" + 3000 * " ~ item" + " + 'a'" * 3000 + " }}", id="sums"),
        pytest.param("{{ item" + 3000 * "|upper" + " }}", id="filters"),
        pytest.param(30 * "{% for one in item %}" + 30 * "{% endfor %}", id="loops"),
        pytest.param(900 * "{% if item %}" + 900 * "{% endif %}", id="conditions"),
    ],
)
def test_a_template_that_nests_too_deep_is_refused(template: str) -> None:
    with pytest.raises(StudyError, match=r"protocols\.ask\.first: nests brackets, blocks or operators too deep"):
        study({"{{ item }} {{ count }} {{ plural }}": template})


@pytest.mark.parametrize("template", [
    "{{ key }}",
    "{% set x = key %}{{ x }}",
    "{% if key %}yes{% endif %}",
    "{{ item ~ key }}",
])  # fmt: skip
def test_a_template_that_names_a_hidden_column_is_refused(template: str) -> None:
    with pytest.raises(StudyError, match=r"protocols\.ask\.first: the column 'key' is hidden"):
        study({"{{ item }} {{ count }} {{ plural }}": template})


@pytest.mark.parametrize("template", [
    "{{ row.key }}",
    "{{ row['key'] }}",
    "{{ row['k' ~ 'ey'] }}",
    "{{ row | attr('key') }}",
    "{{ row | map(attribute='key') | list }}",
    "{{ self._TemplateReference__context }}",
    "{{ row.values() | join(' ') }}",
    "{{ row.items() | list }}",
    "{{ row }}",
    "{% for name in row %}{{ row[name] }} {% endfor %}",
])  # fmt: skip
def test_a_hidden_cell_cannot_be_reached_by_a_detour(template: str) -> None:
    with suppress(StudyError):
        assert "secret" not in said(study({"{{ item }} {{ count }} {{ plural }}": template}))


def test_checks_and_derived_columns_cannot_see_hidden_ones() -> None:
    with pytest.raises(StudyError, match=r"derived\.plural: the column 'key' is hidden"):
        study({"count == '3'": "key == '3'"})
    with pytest.raises(StudyError, match="checks: the column 'key' is hidden"):
        study({"item != 'nothing'": "key != 'nothing'"})


@pytest.mark.parametrize("expression", [
    "item.__class__",
    "item.__class__.__mro__[1].__subclasses__()",
    "''.__class__.__base__",
    "item | attr('__class__')",
    "item.format.__globals__",
    "'{0.__class__}'.format(item)",
    "'{x.__class__}'.format_map({'x': item})",
    "row.clear()",
    "row.update({'item': 'x'})",
    "row.__init__.__globals__",
    "self.__init__.__globals__",
    "cycler.__init__.__globals__.os",
    "lipsum.__globals__",
])  # fmt: skip
def test_templates_and_checks_stay_in_the_sandbox(expression: str) -> None:
    with pytest.raises(StudyError):
        said(study({"{{ plural }}": "{{ " + expression + " }}"}))
    with pytest.raises(StudyError):
        odd(study({"item != 'nothing'": f"({expression}).x"}))


# What is odd about a row


def test_a_row_of_the_design_is_not_odd() -> None:
    assert odd(study()) == []


@pytest.mark.parametrize(("cells", "oddity"), [
    ({"item": ""}, ("item", "is missing")),
    ({"item": "NA"}, ("item", "is missing")),
    ({"count": "three"}, ("count", "'three' is not an integer")),
    ({"count": "1.5"}, ("count", "'1.5' is not an integer")),
    ({"count": "4"}, ("count", "'4' is outside the design (1, 2, 3)")),
    ({"known": "maybe"}, ("known", "'maybe' is outside the design (yes, no)")),
    ({"item": "nothing"}, ("", "there is no item")),
])  # fmt: skip
def test_odd_cells(cells: dict[str, str], oddity: tuple[str, str]) -> None:
    assert odd(study(), **cells) == [oddity]


def test_an_optional_cell_may_be_empty_and_a_hidden_one_anything() -> None:
    assert odd(study(), known="", key="") == []


def test_numbers() -> None:
    column = InputColumn(type="number")
    assert [cell for cell in ("1", "-2.5", "1e3", "x", "1,5") if column.oddity(cell)] == ["x", "1,5"]


@pytest.mark.parametrize("name", ["row", "self", "environment", "source"])
def test_a_table_may_have_columns_of_any_name(name: str) -> None:
    assert odd(study(), **{name: "1"}) == []
    assert said(study(), {**ROW, name: "1"}) == "lamps 3 many"


@pytest.mark.parametrize("check", ["count / 2 > 1", "count | int / 0", "row['nothing'] == 'x'", "count.nothing == 1"])
def test_a_check_that_cannot_be_computed_says_so(check: str) -> None:
    with pytest.raises(StudyError, match="the check 'there is no item' cannot be computed: "):
        odd(study({"item != 'nothing'": check}))


def test_a_template_that_fails_on_a_row_says_so() -> None:
    with pytest.raises(
        StudyError,
        match=r"^small\.yaml: protocols\.ask\.first: cannot be rendered: no column 'Cuont' \(did you mean 'count'\?\)$",
    ):
        said(study({"{{ plural }}": "{{ row['Cuont'] }}"}))


@pytest.mark.parametrize("template", ["{{ row['key'] }}", "{{ row.key }}", "{% if row['key'] == 'a' %}b{% endif %}"])
def test_a_hidden_column_behind_row_is_refused_with_its_place(template: str) -> None:
    with pytest.raises(StudyError, match=r"protocols\.ask\.first: the column 'key' is hidden"):
        study({"{{ plural }}": template})


# What Grace says of a wrong file


MISTAKES = {
    "field misspelt": (("columns:", "colums:"), "no field 'colums' (did you mean 'columns'?)"),
    "field of a column misspelt": (("hidden:", "hiden:"), "columns.key: no field 'hiden' (did you mean 'hidden'?)"),
    "unknown field": (("title:", "zzz: 1\ntitle:"), "the file: no field 'zzz'"),
    "no name": (("name: some_and_all\n", ""), "name: is missing"),
    "name with capitals": (
        ("name: some_and_all", "name: Some-and-all"),
        "name: must be a name of small letters, digits and _, with a letter first",
    ),
    "turn with capitals": (
        ("      reason: |", "      Reason: |"),
        "protocols.naturalness.turns.Reason: must be a name of small letters, digits and _, with a letter first",
    ),
    "column without fields": (
        ("item: {about: what the sentence is about}", "item: the topic"),
        "columns.item: must hold fields, as {about: ...}",
    ),
    "neither true nor false": (("hidden: true", "hidden: perhaps"), "columns.key.hidden: must be true or false"),
    "unknown type": (("integer", "int"), "columns.trial.type: must be 'text', 'integer' or 'number'"),
    "list without brackets": (("[quantifier, relation]", "relation"), "design.cells: must be a list, as [a, b]"),
    "cell of no column": (
        ("[quantifier, relation]", "[quantifier, relations]"),
        "design.cells: no column 'relations' (did you mean 'relation'?)",
    ),
    "hidden cell": (("[quantifier, relation]", "[quantifier, key]"), "design.cells: the column 'key' is hidden"),
    "item of no column": (("  item: item", "  item: thing"), "design.item: no column 'thing'"),
    "short condition": (
        ("[some, some]", "[some]"),
        "design.expect: [some] should hold one value for each of quantifier, relation",
    ),
    "template of no column": (
        ("{{ sentence }}\n\n        Is", "{{ sentense }}\n\n        Is"),
        "protocols.verdict.response: no column 'sentense' (did you mean 'sentence'?)",
    ),
    "template of a hidden column": (
        ("{{ sentence }}\n\n        Is", "{{ key }}\n\n        Is"),
        "protocols.verdict.response: the column 'key' is hidden",
    ),
    "text that changes": (
        ("{{ sentence }}\n\n        Is", "{{ sentence | random }}\n\n        Is"),
        "protocols.verdict.response, line 3: No filter named 'random'.",
    ),
    "single braces": (
        ("{{ sentence }}\n\n        Is", "{sentence}\n\n        Is"),
        "protocols.verdict.response: {sentence} has one brace on each side, so that the model sees this",
    ),
    "brace forgotten": (
        ("{{ sentence }}\n\n        Is", "{{ sentence }\n\n        Is"),
        "protocols.verdict.response, line 3: unexpected '}'",
    ),
    "text in braces without quotes": (
        ("title: Some and all", "title: {{ sentence }}"),
        "is not YAML: found unhashable key (line 3); put quotes around a text that begins with {{ or {%",
    ),
    "line indented badly": (
        ("  cells: [", "   cells: ["),
        "is not YAML: mapping values are not allowed here (line",
    ),
    "block indented badly": (("    turns:\n      rating", "   turns:\n      rating"), "lines of one level begin"),
    "prompt in a protocol": (
        ("    turns:\n      response: |", "    turns: x\n    prompt: |"),
        "protocols.verdict: no field 'prompt'; the fields here are turns, about, system",
    ),
    "unknown filter": (
        ("{{ sentence }}\n\n        Is", "{{ sentence | shout }}\n\n        Is"),
        "protocols.verdict.response, line 3: No filter named 'shout'.",
    ),
    "if without end": (
        ("{{ sentence }}\n\n        Is", "{% if sentence %}x\n\n        Is"),
        "protocols.verdict.response, line 3: Unexpected end of template.",
    ),
    "derived as a column": (
        ("  quantifier: \"", "  relation: x\n  quantifier: \""),
        "derived.relation: is a column already; choose another name",
    ),
    "derived from a later one": (
        ("  quantifier: \"", "  early: \"{{ quantifier }}\"\n  quantifier: \""),
        "derived.early: no column 'quantifier'",
    ),
    "check of no column": (("sentence.ends", "sentnce.ends"), "checks: no column 'sentnce' (did you mean 'sentence'?)"),
    "check with one =": (("sentence.endswith('.')", "item = 'x'"), "checks, line 1: expected token ')', got '='"),
    "check with braces": (
        ("sentence.endswith('.')", "item == '{{ item }}' }}"),
        "checks, line 1: unexpected '}'",
    ),
    "check that closes braces": (("sentence.endswith('.')", "item }} {{ item"), "checks, line 1: unexpected '}'"),
    "system twice": (
        ("    turns:\n      response: |", "    system: a\n    turns:\n      system: b\n      response: |"),
        "protocols.verdict: a turn cannot be called system",
    ),
    "colon in a text": (
        ("title: Some and all", "title: Some: and all"),
        "is not YAML: mapping values are not allowed here (line 3)",
    ),
    "tab": (("  item: {", "\titem: {"), "is not YAML: found character '\\t' that cannot start any token (line 8)"),
    "bracket forgotten": (("[all, some, none]}", "[all, some, none}"), "is not YAML: "),
    "protocol twice": (("  naturalness:", "  verdict:"), "is not YAML: 'verdict' appears twice (line 41)"),
    "field twice": (("title:", "title: x\ntitle:"), "is not YAML: 'title' appears twice (line 4)"),
}  # fmt: skip


def complaint(change: tuple[str, str]) -> str:
    """What Grace says of the example with one change, without the file's name."""
    text = EXAMPLE.read_text(encoding="utf-8")
    assert change[0] in text
    with pytest.raises(StudyError, match=r"^study\.yaml: ") as caught:
        refuse_doubt(parse_study(text.replace(*change, 1).encode(), "study.yaml"))
    return str(caught.value).removeprefix("study.yaml: ")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_with_their_place(mistake: str) -> None:
    change, message = MISTAKES[mistake]
    assert message in complaint(change)


NEIGHBOURS: tuple[Any, ...] = (
    "",
    "zzz",
    "-1",
    [],
    ["zzz"],
    [["zzz"]],
    {},
    {"zzz": "zzz"},
    {"Zz z": [{"zzz": []}]},
    None,
)
"""What may stand in the place of any value of a study file."""
PYDANTIC = re.compile(
    r"[Ii]nput (?:should|tag|is)|inputs|found using|tagged|union|function-|tuple\[|list\[|dict\[|[Vv]alue error|validat"
    r"|\bshould\b|[Ff]ield required|[Uu]nable|valid (?:string|list|tuple|dictionary|boolean|integer|number|keyword)"
    r"|instance|\b(?:String|Tuple|List|Dictionary|Mapping)\b|\.(?:str|int|float):|readings\.\w+\.(?:choice|count|shares|sentence)\b"
)
"""Words that the library which checks the files has for its errors."""


def with_one_change(value: Any) -> Iterator[Any]:
    """Copies of nested lists and mappings with one value that is another, is not there, or has another name."""
    yield from NEIGHBOURS
    if isinstance(value, dict):
        for name, own in value.items():
            rest = {other: value[other] for other in value if other != name}
            yield from (rest, {**rest, name + "s": own}, {**rest, name.upper(): own}, {**rest, "": own})
            yield from ({**value, name: changed} for changed in with_one_change(own))
    elif isinstance(value, list):
        for place, own in enumerate(value):
            yield from ([*value[:place], changed, *value[place + 1 :]] for changed in with_one_change(own))


@pytest.mark.parametrize("path", [EXAMPLE, *(ROOT / "src" / "grace" / "studies" / f"{name}.yaml" for name in BUILT_IN)])
def test_no_mistake_is_told_in_the_words_of_the_library_that_checks(path: Path) -> None:
    whole = yaml.load(path.read_bytes(), yaml.BaseLoader)
    said = set()
    for changed in with_one_change(whole):
        try:
            checked(changed, "study.yaml", StudyFile)
        except InputError as error:
            said.add(str(error))
    assert len(said) > 100
    assert [message for message in said if PYDANTIC.search(message)] == []
    assert [message for message in said if "is not what belongs here" in message] == []


READING = "extraction:\n  readings:\n    mood: {read: choice, column: mood, labels: {glad: glad, sad: sad}}\n"


@pytest.mark.parametrize(("old", "new", "message"), [
    ("read: choice", "read: chioce", "mood.read: must be one of count, shares, choice, sentence, rating, number, text, "
     "not 'chioce' (did you mean 'choice'?)"),
    ("read: choice, ", "", "extraction.readings.mood.read: is missing"),
    ("labels: {glad: glad, sad: sad}", "labels: {glad: glad}", "readings.mood.labels: needs 2 entries at least"),
    ("glad: glad", "glad: []", "extraction.readings.mood.labels.glad: is empty"),
    ("glad: glad", "glad: {a: b}", "extraction.readings.mood.labels.glad: must be a list, as [a, b]"),
    ("column: mood", "texts: {a: b}, column: mood", "extraction.readings.mood.texts: must be a list, as [a, b]"),
    ("column: mood", "columm: mood", "extraction.readings.mood.column: is missing; extraction.readings.mood: no field "
     "'columm' (did you mean 'column'?)"),
    ("read: choice", "read: count, of: 0", "extraction.readings.mood.of: must be 1 or more"),
    ("read: choice", "read: count, of: some", "extraction.readings.mood.of: must be a whole number"),
])  # fmt: skip
def test_mistakes_of_readings_are_named_with_their_place(old: str, new: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse_study((SMALL + READING).replace(old, new).encode(), "study.yaml")
    assert message in str(caught.value)


TURNS = """
protocols:
  talk: {turns: {price: "What does {{ item }} cost?", colour: "Which colour has it?"}}
  brief: "What does {{ item }} cost?"
extraction:
  readings:
    price: {read: number, min: 0, max: 9, column: Price, texts: [response_price]}
"""


def doubts(texts: str, more: str = "", response: str = "") -> str:
    """What looks like a mistake in a study with turns whose reading has these texts."""
    own = TURNS.replace("  readings:", f"{response}  readings:").replace("[response_price]", texts)
    own = own.replace('brief: "', 'brief:\n    turns: "')
    head = SMALL[: SMALL.index("protocols:")].replace("  item: {}", f"  item: {{}}{more}")
    return parse_study((head + own).encode(), "small.yaml").doubt


@pytest.mark.parametrize(("texts", "said"), [
    ("[response_prize]", "'response_prize' (did you mean 'response_price'?)"),
    ("response_colr", "'response_colr' (did you mean 'response_colour'?)"),
    ("[price]", "no turn makes a column 'price'"),
    ("[Response_price]", "'Response_price' (did you mean 'response_price'?)"),
    ("[response_price, response_color]", "'response_color' (did you mean 'response_colour'?)"),
    ("[second]", "small.yaml: extraction.readings.price.texts: no turn makes a column 'second', so the whole answer"),
])  # fmt: skip
def test_texts_that_no_turn_makes_are_refused(texts: str, said: str) -> None:
    assert said in doubts(texts)
    assert "the turns' columns are response_price, response_colour, response_response" in doubts(texts)


def test_texts_that_some_table_has_are_fine() -> None:
    assert doubts("[response_price]") == doubts("[response_price, answer_of_1998]") == doubts("[model_response]") == ""
    assert doubts("[second]", "\n  second: {required: false, hidden: true}") == ""
    assert doubts("[second]", response="  response: said\n") == "", "the study reads tables of somebody's own"


SENTENCE = """
questions:
  mood:
    prompt: How is it?
    answers: {factors: {be: {was: was, is: is}, how: {fine: fine, bad: bad}}, forms: "It {be} {how}"}
extraction:
  readings:
    mood: {read: sentence, question: mood, columns: {be: Be, how: How}, cleaned: Whole}
    glad: {read: choice, column: Glad, labels: {glad: glad, sad: sad}, phrases: {glad: happy}}
analysis:
  compare: [{name: more, of: glad, value: glad, a: {plural: many}, b: {plural: few}}]
people: {file: people.csv, columns: {glad: Glad}}
"""


@pytest.mark.parametrize(("old", "new", "message"), [
    ("question: mood", "question: mod", "question of the study with factors and forms (did you mean 'mood'?)"),
    ("{be: Be, how: How}", "{be: Be, hwo: How}", "columns: needs a column for each of be, how, not for 'hwo'"),
    ("phrases: {glad:", "phrases: {gald:", "phrases: no label 'gald' (did you mean 'glad'?)"),
    ("of: glad", "of: gald", "of: no reading, column or question 'gald' (did you mean 'glad'?)"),
    ("value: glad", "value: gladd", "value: glad has no label 'gladd' (did you mean 'glad'?)"),
    ("a: {plural:", "a: {plurl:", "'plurl' is not among design.cells (did you mean 'plural'?)"),
    ("columns: {glad: Glad}", "columns: {gald: Glad}", "people.columns: no reading, column or question 'gald' (did"),
])  # fmt: skip
def test_names_that_refer_to_nothing_are_refused_with_the_nearest(old: str, new: str, message: str) -> None:
    text = SMALL + SENTENCE
    parse_study(text.encode(), "small.yaml")
    assert old in text
    with pytest.raises(StudyError) as caught:
        parse_study(text.replace(old, new).encode(), "small.yaml")
    assert message in str(caught.value)


def test_a_value_of_the_design_is_a_text_or_number() -> None:
    with pytest.raises(
        StudyError, match=r"columns\.known\.values\.1: must be text, or must be a whole number, or must be a"
    ):
        study({"[yes, no]": "[yes, [no]]"})


@pytest.mark.parametrize("content", [b"", b"- a\n- b\n", b"just text", b"12"])
def test_a_file_of_something_else(content: bytes) -> None:
    with pytest.raises(StudyError, match=r"study\.yaml: the file: must hold fields"):
        parse_study(content, "study.yaml")


@pytest.mark.parametrize(
    "content", [b"name: caf\xe9\n", b"name: \x00\n", b"a: &x [*x]\n", b"a: !!python/name:os.system x\n"]
)
def test_bytes_that_are_no_study(content: bytes) -> None:
    with pytest.raises(StudyError, match=r"study\.yaml: "):
        parse_study(content, "study.yaml")


def test_values_are_text_as_written() -> None:
    """YAML would read yes as true, 01 as 1, 1.50 as 1.5 and 12:30 as 750."""
    changed = study({"[yes, no]": "[yes, no, 01, 1.50, 12:30, null, 2024-01-01]"})
    assert changed.columns["known"].values == ("yes", "no", "01", "1.50", "12:30", "null", "2024-01-01")


def test_studies_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"there is no study 'studi1' \(did you mean 'study1'\?\); built in are study1, study2"
    ):
        load_study("studi1")
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read: No such file"):
        load_study(str(tmp_path / "none.yaml"))
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_study(str(tmp_path))


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".yaml", "study\0", "study\0.yaml"])
def test_names_that_no_file_can_have(name: str):
    with pytest.raises(InputError, match=r"there is no study|cannot be read"):
        load_study(name)


def test_missing_columns_are_named_with_the_nearest_there_is() -> None:
    with pytest.raises(InputError) as caught:
        study().check_columns(["Item", "cuont", "key"], Path("t.csv"))
    message = str(caught.value)
    assert message.startswith(
        "t.csv: no column 'item' (did you mean 'Item'?); no column 'count' (did you mean 'cuont'?). "
    )
    assert message.endswith("small needs: item, count, key")
    study().check_columns(["item", "count", "key", "anything"], Path("t.csv"))


def test_nearest() -> None:
    assert nearest("SPEACH", ["speech", "story"]) == "speech"
    assert nearest("state", ["State"]) == "State"
    assert nearest("x", ["story", "speech"]) is None


# The guide


def test_the_guide_shows_the_example_as_it_is() -> None:
    shown = re.findall(r"```(\w+)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert ("yaml", EXAMPLE.read_text(encoding="utf-8")) in shown
    (table,) = (text for kind, text in shown if kind == "csv")
    assert (EXAMPLE.parent / "trials.csv").read_text(encoding="utf-8").startswith(table)


def test_the_guide_explains_every_field() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    fields = {"name", "title", "source", "columns", "derived", "design", "checks", "protocols", "turns", "system",
              "about", "type", "values", "required", "hidden", "participant", "item", "cells", "expect", "that",
              "otherwise"}  # fmt: skip
    assert {field for field in fields if f"`{field}`" not in text} == set()


def test_the_guide_quotes_messages_as_they_are() -> None:
    """Each message about the study file is what one of the mistakes above really gives."""
    section = GUIDE.read_text(encoding="utf-8").split("## 6.")[1].split("And about the table")[0]
    quoted = re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)
    assert len(quoted) == 16
    real = [complaint(change) for change, _ in MISTAKES.values()]
    assert [message for message in quoted if not any(message in found for found in real)] == []


def test_the_guides_template_notation_works() -> None:
    template = "{{ item | upper }} {{ item | replace('l', 'L') }}{% if count == '3' %}!{% endif %}"
    changed = study({"{{ item }} {{ count }} {{ plural }}": template})
    assert said(changed) == "LAMPS Lamps!"
    assert odd(study({"item != 'nothing'": "count | int > 2"})) == []


def test_the_example_hides_its_key() -> None:
    example = load_study(str(EXAMPLE))
    row = {"trial": "1", "item": "x", "relation": "all", "sentence": "Some x are y.", "key": "SECRET"}
    for conversation in example.conversations.values():
        for turn in conversation.turns:
            assert "SECRET" not in conversation.turn(turn, example.complete(row))["content"]
    assert example.complete(row)["quantifier"] == "some"


def test_study_files_are_plain_yaml() -> None:
    """Any YAML reader takes them, so researchers can read them in R too."""
    for content in (load_study("study1").content, load_study("study2").content, EXAMPLE.read_bytes()):
        assert set(yaml.safe_load(content)) >= {"name", "title", "columns", "protocols"}


def test_a_study_that_asks_nothing_is_refused() -> None:
    with pytest.raises(StudyError, match="has neither protocols nor questions"):
        parse_study(b"name: a\ntitle: A\ncolumns: {x: {}}\n", "study.yaml")

"""Write docs/policy-rules.md, the page about all rules of `grace cluster check`, from the rules themselves."""

from pathlib import Path

from grace.policy.check import check_manifests
from grace.policy.cluster_file import load_cluster
from grace.policy.reading import parse
from grace.policy.rule import Rule
from grace.policy.rules import ALL
from grace.policy.suppress import ANNOTATION, NEVER

PAGE = Path(__file__).parents[1] / "docs" / "policy-rules.md"

LONGEST = 80
"""Lines of an example that is shown whole."""

GROUPS = {
    "K8S": ("Kubernetes", "They hold on every cluster."),
    "VLLM": ("Serving models", "They hold on every cluster."),
    "NRP": ("NRP Nautilus", "They hold on clusters whose file names the policy set `nrp`."),
}

HEAD = f"""<!-- Made by scripts/make_policy_rules.py from src/grace/policy/rules/; changes belong there. -->
# Rules for manifests

`grace cluster check FILES|DIR` reads Kubernetes manifests, whoever wrote them, and names every rule that they break:
the schemas of Kubernetes first, strictly, then the rules below. It asks no cluster, and changes nothing. All files are
checked together, because a Service in one file may belong to pods in another.

- **error**: for certain, it will be rejected, cannot work as it stands, loses data, or breaks a policy. The command
  ends with 4.
- **warning**: it likely costs something: time, a GPU, results. With `--strict`, the command ends with 4.
- **note**: worth knowing. What another file may supply is never more than a note.

The severity below is that of most findings of a rule; where less or more is known, a finding has another one.

A file that cannot be read, and what is no object for a cluster (a template, a Kustomization or its patch, a Helm
chart, another program's settings), is named with the way to render it, and counted; the rest is checked. Only if
nothing can be checked, the command ends with 2.

What is advice for all objects, as K8S029, is said once, with the number of the others.

An object that its schema does not accept is reported as {NEVER[0]}. No other rule looks at it until that is fixed.
A single rule is explained by its id:

```console
$ grace cluster check --explain K8S001
```

## For programs

`--format sarif` is SARIF 2.1.0, which code hosts show beside the lines. `--format json` is one object:

| field | what it is |
|---|---|
| `version` | of this format: 1 |
| `files`, `objects` | how many were checked |
| `errors`, `warnings`, `notes` | how many findings count |
| `findings` | those that count, by file as given, then by line |
| `suppressed` | those that an annotation suppresses, each with its `reason` |
| `unread` | what was not checked, each with `file`, `line` and `reason` |

A finding has `rule`, `severity`, `title`, `file`, `line` (from 1), `object` (as Job/name), `path` (of the field),
`message` and `mend`. A secret's value is in none of them.

## Suppressing a rule

An annotation on an object says which rules do not hold for it, and why. Without a reason it does not count. What is
suppressed is counted in the summary, and shown with `--show-suppressed`.

```yaml
metadata:
  annotations:
    {ANNOTATION}: "K8S025: the registry has no version tags; K8S031: it is watched"
```

{", ".join(NEVER[:-1])} and {NEVER[-1]} cannot be suppressed.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for prefix, (title, scope) in GROUPS.items():
        rules = [rule for rule in ALL if rule.id.startswith(prefix)]
        if rules:
            parts.append(f"## {title}\n\n{scope}\n\n{_table(rules)}")
            parts += [_section(rule) for rule in rules]
    return "\n".join(parts)


def _table(rules: list[Rule]) -> str:
    rows = [f"| [{rule.id}](#{rule.id.lower()}) | {rule.severity} | {rule.title} |" for rule in rules]
    return "\n".join(["| rule | severity | what is wrong |", "|---|---|---|", *rows, ""])


def _section(rule: Rule) -> str:
    example = rule.failing.strip()
    report = check_manifests(parse(example, "example.yaml"), load_cluster("nrp"))
    found = next(finding for finding in report.findings if finding.rule is rule)
    return f"""### {rule.id}

**{_sentence(rule.title)}** ({rule.severity})

{rule.why}

How to fix it: {rule.fix}

Source: {rule.source}, read {rule.read}.

An example that breaks it ({found.object}: {found.message}):

```yaml
{_shortened(example, found.line)}
```
"""


def _shortened(example: str, line: int) -> str:
    """An example, or when it is long the document of it that has a line."""
    if example.count("\n") < LONGEST:
        return example
    parts = example.split("\n---\n")
    for part in parts:
        line -= part.count("\n") + 2
        if line <= 0:
            break
    return f"# one of {len(parts)} documents\n{part.strip()}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.name)


if __name__ == "__main__":
    main()

"""Write the part of docs/troubleshooting.md about a cluster's messages, from the table that explains them."""

from pathlib import Path

from grace.cluster.messages import SPEAKERS, Message, messages

PAGE = Path(__file__).parents[1] / "docs" / "troubleshooting.md"
BEGIN = "<!-- Made by scripts/make_cluster_messages.py from messages.yaml of src/grace/cluster; change it there. -->\n"
END = "<!-- End of the made part. -->\n"


def page() -> str:
    """The whole page, with this part as the table has it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{''.join(_section(source) for source in SPEAKERS)}\n{END}{after}"


def _section(source: str) -> str:
    rows = "".join(_row(each) for each in messages() if each.says == source)
    return f"\nSaid by {SPEAKERS[source]}:\n\n| message | why | what to do |\n|---|---|---|\n{rows}"


def _row(message: Message) -> str:
    wordings = ", ".join(f"`{pattern}`" for pattern in message.patterns)
    return "".join(f"| {cell.replace('|', chr(92) + '|')} " for cell in (wordings, message.means, message.do)) + "|\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.name)


if __name__ == "__main__":
    main()

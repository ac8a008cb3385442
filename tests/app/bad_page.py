"""The tables of docs/bad-input.md. Each stands below a mark with its name."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "bad-input.md"
MARK = "<!-- {}: made by `python -m tests.app.test_bad_input_page` -->\n"


def table(name: str) -> dict[str, tuple[str, ...]]:
    """The rows of a table: the first cell of each, and the others."""
    lines = PAGE.read_text(encoding="utf-8").partition(MARK.format(name))[2].partition("\n\n")[0].splitlines()[2:]
    cells = (re.split(r" \| ", line.removeprefix("| ").removesuffix(" |")) for line in lines)
    return {first: tuple(others) for first, *others in cells}


def put(name: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table in place of the one on the page."""
    before, mark, rest = PAGE.read_text(encoding="utf-8").partition(MARK.format(name))
    assert mark, name
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|")
    PAGE.write_text(before + mark + "\n".join(lines) + "\n\n" + rest.partition("\n\n")[2], encoding="utf-8")

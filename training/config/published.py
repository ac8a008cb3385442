"""The rows of a study, as its TOML file (published.toml) has them, and what they become on smaller machines."""

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from pydantic import TypeAdapter

PUBLISHED = Path(__file__).parent / "experiments" / "published.toml"
# full: as the presets are; reduced: for 2 cores; quick: reduced further.
Effort = Literal["full", "reduced", "quick"]
# Names what a size changes in all rows.
EVERY_ROW = "every row"


@dataclass(frozen=True)
class Experiment:
    """An experiment: a preset and the keys that it changes.

    published: figures under our names for them, measured on `source`; says: what else was published.
    note: what is to know of ours. waits_for: why it can't be run yet.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    name: str
    experiment: str
    preset: str = ""
    set: tuple[str, ...] = ()
    published: dict[str, float] = field(default_factory=dict)
    source: str = ""
    says: str = ""
    note: str = ""
    waits_for: str = ""


@dataclass(frozen=True)
class Experiments:
    """source: what rows that name none were published on. reduced, quick: changes by preset or row, for each size."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    source: str
    row: tuple[Experiment, ...]
    reduced: dict[str, tuple[str, ...]]
    quick: dict[str, tuple[str, ...]]

    @classmethod
    def read(cls, path: Path = PUBLISHED) -> Self:
        """The file's content, each row with a source of what was published. ValueError names what is wrong."""
        study = TypeAdapter(cls).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
        sources = [row.source or (study.source if row.published or row.says else "") for row in study.row]
        rows = [replace(row, source=source) for row, source in zip(study.row, sources, strict=True)]
        return replace(study, row=tuple(rows))

    def changes(self, row: Experiment, size: Effort) -> tuple[str, ...]:
        """What a size changes of a row, beside what the row changes of its preset; of two changes of a key the last."""
        tables = {"full": [], "reduced": [self.reduced], "quick": [self.reduced, self.quick]}[size]
        names = dict.fromkeys((EVERY_ROW, row.preset, row.name))
        found = [change for table in tables for name in names for change in table.get(name, ())]
        return tuple({change.partition("=")[0]: change for change in found}.values())

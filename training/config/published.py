"""The published experiments (experiments/published.toml), and how they are changed for smaller machines."""

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from pydantic import TypeAdapter

PUBLISHED = Path(__file__).parent / "experiments" / "published.toml"
# full: as the presets are; reduced: for 2 cores; quick: reduced further.
Effort = Literal["full", "reduced", "quick"]
# The key of the changes that a size makes in all experiments.
EVERY_ROW = "every row"


@dataclass(frozen=True)
class Experiment:
    """An experiment: a preset and the keys that it changes.

    Attributes:
        name: its short name.
        experiment: its description.
        preset: the preset's name.
        set: changes of the preset, as `--set` writes them.
        published: published figures, under the names of our figures.
        source: what the published figures were measured on.
        says: what else was published.
        note: a remark about our figures.
        waits_for: why it can't be run yet; "" if it can.
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
    """All published experiments.

    Attributes:
        source: what the published figures were measured on, for experiments that name no source.
        row: the experiments.
        reduced: changes for 2 cores, by the name of a preset or an experiment.
        quick: further changes for `--quick`, by the same names.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    source: str
    row: tuple[Experiment, ...]
    reduced: dict[str, tuple[str, ...]]
    quick: dict[str, tuple[str, ...]]

    @classmethod
    def read(cls, path: Path = PUBLISHED) -> Self:
        """Read the file; every experiment with published figures gets a source. ValueError names what is wrong."""
        content = TypeAdapter(cls).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
        sources = [row.source or (content.source if row.published or row.says else "") for row in content.row]
        rows = [replace(row, source=source) for row, source in zip(content.row, sources, strict=True)]
        return replace(content, row=tuple(rows))

    def changes(self, row: Experiment, size: Effort) -> tuple[str, ...]:
        """What a size changes in an experiment, beside its own changes; the last change of a key counts."""
        tables = {"full": [], "reduced": [self.reduced], "quick": [self.reduced, self.quick]}[size]
        names = dict.fromkeys((EVERY_ROW, row.preset, row.name))
        found = [change for table in tables for name in names for change in table.get(name, ())]
        return tuple({change.partition("=")[0]: change for change in found}.values())

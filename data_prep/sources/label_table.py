"""What each source's labels mean: the sets of classes that they allow, from `labels.toml` and a user's own file."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from data_prep.labels import BINARY, FOUR_CLASS

OURS = Path(__file__).parent / "labels.toml"
Classes = frozenset[str]


@dataclass(frozen=True)
class Meaning:
    """The classes that a value allows in each scheme, and who says so."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    binary: Classes
    four_class: Classes
    because: str = ""

    def __post_init__(self) -> None:
        for scheme, classes in ((BINARY, self.binary), (FOUR_CLASS, self.four_class)):
            for name in classes:
                scheme.index(name)


@dataclass(frozen=True)
class SourceLabels:
    """caveat: what has to be said wherever figures from this source stand."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    values: dict[str, Meaning] = field(default_factory=dict)
    caveat: str | None = None


_TABLE = TypeAdapter(dict[str, SourceLabels])


@dataclass(frozen=True)
class LabelTable:
    """Labels by source and value."""

    sources: dict[str, SourceLabels]

    @classmethod
    def load(cls, override: Path | None = None) -> Self:
        """Our table, with single values or caveats of the user's TOML in place of ours or beside them.

        ValueError names the file and key at fault.
        """
        ours = _read(OURS)
        for name, changes in (_read(override) if override else {}).items():
            if name not in ours:
                raise ValueError(f"{override}: {name} is no source; there are {', '.join(ours)}")
            caveat = ours[name].caveat if changes.caveat is None else changes.caveat
            ours[name] = SourceLabels(ours[name].values | changes.values, caveat)
        return cls(ours)

    def classes(self, source: str, value: str) -> tuple[Classes, Classes]:
        """The classes that a value allows, binary and four-class; neither case nor a trailing .0 matters.

        ValueError lists the values that there are. It doesn't quote the cell, which may hold anything.
        """
        values = self.sources[source].values
        meaning = values.get(_key(value))
        if meaning is None:
            raise ValueError(f"the label is none of {source}'s: {', '.join(values)}")
        return meaning.binary, meaning.four_class

    def caveat(self, source: str) -> str:
        """What to keep in mind about a source's labels; '' for nothing, and for sources that we don't know."""
        known = self.sources.get(source)
        return known.caveat or "" if known else ""


def _key(value: str) -> str:
    return value.strip().casefold().removesuffix(".0")


def _read(path: Path) -> dict[str, SourceLabels]:
    try:
        table = _TABLE.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ValueError(f"{path}: {faults}") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise ValueError(f"{path}: {error}") from None
    return {
        name: SourceLabels({_key(value): meaning for value, meaning in source.values.items()}, source.caveat)
        for name, source in table.items()
    }

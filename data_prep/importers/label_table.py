"""What each source's labels mean: the sets of classes that they allow, from `labels.toml` and a user's own file."""

import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from data_prep.labels import BINARY, FOUR_CLASS
from data_prep.tables.cells import words_key

_WHOLE = re.compile(r"^(\d+)[.,]0+$")
OURS = Path(__file__).parent / "labels.toml"
Classes = frozenset[str]


@dataclass(frozen=True)
class Meaning:
    """The classes that a value allows in each scheme, who says so, and other ways to write the value."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    binary: Classes
    four_class: Classes
    because: str = ""
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for scheme, classes in ((BINARY, self.binary), (FOUR_CLASS, self.four_class)):
            for name in classes:
                scheme.index(name)


@dataclass(frozen=True)
class SourceLabels:
    """values: by `label_key`. caveat: what has to be said wherever figures from this source stand."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    values: dict[str, Meaning] = field(default_factory=dict)
    caveat: str | None = None

    def meaning(self, value: str) -> Meaning | None:
        """A value comes before an alias."""
        key = label_key(value)
        return self.values.get(key) or self._by_alias.get(key)

    @cached_property
    def _by_alias(self) -> dict[str, Meaning]:
        """Of two values with one alias the later counts: a user's own come last, and no file has an alias twice."""
        return {label_key(alias): meaning for meaning in self.values.values() for alias in meaning.aliases}


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
            said = {*changes.values, *(label_key(alias) for one in changes.values.values() for alias in one.aliases)}
            kept = {value: meaning for value, meaning in ours[name].values.items() if value not in said}
            ours[name] = SourceLabels(kept | changes.values, caveat)
        return cls(ours)

    def classes(self, source: str, value: str) -> tuple[Classes, Classes]:
        """The classes that a value or one of its aliases allows, binary and four-class; see `label_key`.

        ValueError lists the values that there are. It doesn't quote the cell, which may hold anything.
        """
        known = self.sources[source]
        if meaning := known.meaning(value):
            return meaning.binary, meaning.four_class
        if not value.strip():
            raise ValueError("the label is empty")
        aliases = any(meaning.aliases for meaning in known.values.values())
        others = " (or an alias in data_prep/importers/labels.toml; --labels adds your own)" if aliases else ""
        raise ValueError(f"the label is none of {source}'s: {', '.join(known.values)}{others}")

    def caveat(self, source: str) -> str:
        """What to keep in mind about a source's labels; '' for nothing, and for sources that we don't know."""
        known = self.sources.get(source)
        return known.caveat or "" if known else ""


def label_key(value: str) -> str:
    """The same for labels that differ in case, in what stands between words, or as 1, 1.0 and 1,0 do."""
    return _WHOLE.sub(r"\1", words_key(value).rstrip("."))


def _read(path: Path) -> dict[str, SourceLabels]:
    try:
        table = _TABLE.validate_python(tomllib.loads(path.read_text(encoding="utf-8-sig")))
        for name, source in table.items():
            _check_no_word_twice(name, source)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ValueError(f"{path}: {faults}") from None
    except ValueError as error:  # no TOML, no UTF-8, or a word that stands for two values
        raise ValueError(f"{path}: {error}") from None
    return {
        name: SourceLabels({label_key(value): meaning for value, meaning in source.values.items()}, source.caveat)
        for name, source in table.items()
    }


def _check_no_word_twice(name: str, source: SourceLabels) -> None:
    """ValueError if two values or aliases are the same word in `label_key`'s eyes: nobody can say which is meant."""
    first: dict[str, tuple[str, Meaning]] = {}
    for value, meaning in source.values.items():
        for word in (value, *meaning.aliases):
            known, its_meaning = first.setdefault(label_key(word), (value, meaning))
            if known != value and (its_meaning.binary, its_meaning.four_class) != (meaning.binary, meaning.four_class):
                raise ValueError(f"{name}.values: {word!r} stands for both {known!r} and {value!r}; keep one of them")

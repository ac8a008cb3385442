"""What each source's labels mean: the set of classes that each allows, from `labels.toml` and a user's own file."""

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
    """What a label's value means.

    Attributes:
        binary: The classes that it allows in the binary scheme.
        four_class: The classes that it allows in the four-class scheme.
        because: The source of this meaning.
        aliases: Other ways to write the value.
    """

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
    """The labels of one source.

    Attributes:
        values: Meanings by `label_key`.
        caveat: A warning to print beside all figures from this source.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    values: dict[str, Meaning] = field(default_factory=dict)
    caveat: str | None = None

    def meaning(self, value: str) -> Meaning | None:
        """The meaning of a value or an alias, or None. A value is looked up before an alias."""
        key = label_key(value)
        return self.values.get(key) or self._by_alias.get(key)

    @cached_property
    def _by_alias(self) -> dict[str, Meaning]:
        """If two values have the same alias, the later one is used: a user's values come last.

        No single file has an alias twice (`_check_no_word_twice`).
        """
        return {label_key(alias): meaning for meaning in self.values.values() for alias in meaning.aliases}


_TABLE = TypeAdapter(dict[str, SourceLabels])


@dataclass(frozen=True)
class LabelTable:
    """Labels by source and value."""

    sources: dict[str, SourceLabels]

    @classmethod
    def load(cls, override: Path | None = None) -> Self:
        """Read Cruciate's table; values and caveats of the user's TOML file replace or extend it.

        Args:
            override: The user's file.

        Raises:
            ValueError: If a file can't be used; the message names the file and the key.
        """
        ours = _read(OURS)
        for name, changes in (_read(override) if override else {}).items():
            if name not in ours:
                raise ValueError(f"{override}: {name} isn't a source; the sources are {', '.join(ours)}")
            caveat = ours[name].caveat if changes.caveat is None else changes.caveat
            said = {*changes.values, *(label_key(alias) for one in changes.values.values() for alias in one.aliases)}
            kept = {value: meaning for value, meaning in ours[name].values.items() if value not in said}
            ours[name] = SourceLabels(kept | changes.values, caveat)
        return cls(ours)

    def classes(self, source: str, value: str) -> tuple[Classes, Classes]:
        """The classes that a value or one of its aliases allows; see `label_key`.

        Args:
            source: A source of the table.
            value: The cell of the data set's table.

        Returns:
            The allowed classes, binary and four-class.

        Raises:
            ValueError: For an unknown value. The message lists the known values. It doesn't quote the cell, which may
                hold anything, for example a name.
        """
        known = self.sources[source]
        if meaning := known.meaning(value):
            return meaning.binary, meaning.four_class
        if not value.strip():
            raise ValueError("the label is empty")
        aliases = any(meaning.aliases for meaning in known.values.values())
        others = " (or an alias in data_prep/importers/labels.toml; --labels adds your own)" if aliases else ""
        raise ValueError(f"the label isn't one of {source}'s: {', '.join(known.values)}{others}")

    def caveat(self, source: str) -> str:
        """What to keep in mind about a source's labels; '' for nothing, and for unknown sources."""
        known = self.sources.get(source)
        return known.caveat or "" if known else ""


def label_key(value: str) -> str:
    """A key that is equal for labels that mean the same.

    They may differ in case, in the characters between words, or in how a number is written (1, 1.0 and 1,0).
    """
    return _WHOLE.sub(r"\1", words_key(value).rstrip("."))


def _read(path: Path) -> dict[str, SourceLabels]:
    try:
        table = _TABLE.validate_python(tomllib.loads(path.read_text(encoding="utf-8-sig")))
        for name, source in table.items():
            _check_no_word_twice(name, source)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ValueError(f"{path}: {faults}") from None
    except ValueError as error:  # not TOML, not UTF-8, or a word that stands for two values
        raise ValueError(f"{path}: {error}") from None
    return {
        name: SourceLabels({label_key(value): meaning for value, meaning in source.values.items()}, source.caveat)
        for name, source in table.items()
    }


def _check_no_word_twice(name: str, source: SourceLabels) -> None:
    """ValueError if two values or aliases have the same `label_key` but different meanings."""
    first: dict[str, tuple[str, Meaning]] = {}
    for value, meaning in source.values.items():
        for word in (value, *meaning.aliases):
            known, its_meaning = first.setdefault(label_key(word), (value, meaning))
            if known != value and (its_meaning.binary, its_meaning.four_class) != (meaning.binary, meaning.four_class):
                raise ValueError(f"{name}.values: {word!r} stands for both {known!r} and {value!r}; keep one of them")

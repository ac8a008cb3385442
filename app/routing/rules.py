"""The operator's rules for studies that arrive by DICOMweb or DIMSE. The first one that matches is followed.

[[rule]]
name = "knees"
caller = ["MR1", "MR2"]          # AE title, or name of the API key or user, that sent it
description = "*knee*"           # of the study or of a series
bundle = "mrnet"
targets = ["dicom://PACS@pacs.example:11112"]

[[rule]]
name = "everything else"
ignore = true
"""

import fnmatch
import re
import tomllib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

# What a rule may ask of a study.
CONDITIONS = ("caller", "station", "description", "body_part")

# The values of a study by condition, such as the titles of its callers.
Facts = dict[str, frozenset[str]]


class RulesError(ValueError):
    """The rules can't be used. The message is one sentence that names the rule."""


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Pattern = Annotated[str, Field(min_length=1, max_length=64)]
Patterns = Annotated[tuple[Pattern, ...], Field(min_length=1), BeforeValidator(_listed)]


class Rule(BaseModel):
    """One rule. In its patterns `*` stands for any text and `?` for any character; letters' case is ignored.

    It matches a study if every condition matches, and a condition matches if one of its patterns does.

    Attributes:
        name: For messages and the audit trail.
        caller: Who has sent instances of the study: AE title, or name of the API key or user.
        station: StationName (0008,1010).
        description: StudyDescription (0008,1030) or SeriesDescription (0008,103E).
        body_part: BodyPartExamined (0018,0015).
        bundle: Name of the bundle that predicts; None for the default one.
        targets: Where results go, besides this service; None for every target.
        ignore: Whether nothing is predicted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[^\s].{0,63}$")]
    caller: Patterns | None = None
    station: Patterns | None = None
    description: Patterns | None = None
    body_part: Patterns | None = None
    bundle: str | None = None
    targets: tuple[str, ...] | None = None
    ignore: bool = False

    @property
    def conditions(self) -> dict[str, tuple[str, ...]]:
        """The patterns of each condition that there is."""
        return {name: patterns for name in CONDITIONS if (patterns := getattr(self, name)) is not None}

    def matches(self, facts: Facts) -> bool:
        """Whether the rule is for a study with these values."""
        return all(_any(patterns, facts.get(name, ())) for name, patterns in self.conditions.items())


class Rules(BaseModel):
    """All rules, in order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: tuple[Rule, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a TOML file. Raises RulesError."""
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise RulesError(f"{path} can't be read as TOML: {reason}.") from None
        try:
            rules = cls.model_validate(content)
        except ValidationError as error:
            raise RulesError(_sentence(error.errors(include_url=False)[0], content)) from None
        rules._check()
        return rules

    def first(self, facts: Facts) -> Rule | None:
        """The rule for a study with these values."""
        return next((rule for rule in self.rule if rule.matches(facts)), None)

    def check_names(self, bundles: Collection[str], targets: Collection[str]) -> None:
        """Check what the rules name. Raises RulesError for a bundle or target that doesn't exist."""
        for rule in self.rule:
            if rule.bundle is not None and rule.bundle not in bundles:
                raise RulesError(f"rule {rule.name!r} names the bundle {rule.bundle!r}, which isn't served.")
            for target in set(rule.targets or ()) - set(targets):
                raise RulesError(
                    f"rule {rule.name!r} names the target {target!r}, which CRUCIATE_TARGETS doesn't have."
                )

    def uses(self, condition: str) -> Rule | None:
        """The first rule with such a condition."""
        return next((rule for rule in self.rule if condition in rule.conditions), None)

    def _check(self) -> None:
        seen, last = set[str](), None
        for rule in self.rule:
            if rule.name in seen:
                raise RulesError(f"there are two rules with the name {rule.name!r}.")
            if last is not None:
                raise RulesError(f"rule {rule.name!r} is never reached, because rule {last!r} matches every study.")
            if rule.ignore and (rule.bundle is not None or rule.targets is not None):
                raise RulesError(f"rule {rule.name!r} ignores studies, so it can't name a bundle or targets.")
            seen.add(rule.name)
            last = None if rule.conditions else rule.name


def _any(patterns: Iterable[str], values: Iterable[str]) -> bool:
    # fnmatch interprets [...], which stands for itself here.
    whole = re.compile("|".join(fnmatch.translate(one.replace("[", "[[]")) for one in patterns), re.IGNORECASE)
    return any(whole.match(value.strip()) for value in values)


def _sentence(fault: Any, content: dict[str, Any]) -> str:
    """What is wrong, and in which rule."""
    place = [part for part in fault["loc"] if isinstance(part, str)]
    numbers = [part for part in fault["loc"] if isinstance(part, int)]
    if place[:1] != ["rule"] or not numbers:
        return f"{'.'.join(place) or 'the file'}: {fault['msg']}; every rule begins with [[rule]]."
    given = content["rule"][numbers[0]]
    name = given.get("name") if isinstance(given, dict) else None
    which = repr(name) if isinstance(name, str) else f"number {numbers[0] + 1}"
    return f"rule {which}: {place[1] if len(place) > 1 else 'it'}: {fault['msg']}."

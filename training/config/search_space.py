"""Search spaces: a TOML file (in spaces/) gives keys of a preset a range or a list of choices.

[fit.optimiser]
choices = ["adamw", "sgd"]

[fit.momentum]
low = 0.0
high = 0.99
when = {"fit.optimiser" = ["sgd"]}
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import tomlkit
from optuna.trial import BaseTrial
from pydantic import TypeAdapter, ValidationError
from tomlkit.exceptions import TOMLKitError

from training.config.config import Config, load_config

SPACES = Path(__file__).parent / "spaces"
Value: TypeAlias = bool | int | float | str | list[bool | int | float | str]


@dataclass(frozen=True)
class Parameter:
    """The values that a key may have: a range or a list of choices.

    Attributes:
        low: lowest value. If both ends are whole numbers, only whole numbers are drawn.
        high: highest value.
        log: draw evenly on a logarithmic scale.
        choices: the list of choices, instead of a range.
        when: conditions, the values of other keys under which this key has an effect. If they aren't met, the preset's
            own value stays.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()
    when: dict[str, tuple[Value, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.choices:
            if self.log or (self.low, self.high) != (None, None):
                raise ValueError("choices have no low, high or log")
        elif self.low is None or self.high is None or not self.low < self.high:
            raise ValueError("needs choices, or a low below a high")
        elif self.log and self.low <= 0:
            raise ValueError("a logarithmic scale needs a low above 0")

    def draw(self, key: str, trial: BaseTrial) -> str:
        """The trial's value in TOML."""
        if self.choices:
            return str(trial.suggest_categorical(key, [_toml(choice) for choice in self.choices]))
        assert self.low is not None
        assert self.high is not None
        if isinstance(self.low, int) and isinstance(self.high, int):
            return _toml(trial.suggest_int(key, self.low, self.high, log=self.log))
        return _toml(trial.suggest_float(key, self.low, self.high, log=self.log))

    def means_something(self, values: Mapping[str, object]) -> bool:
        """Whether its conditions hold under these values of keys."""
        return all(values.get(other) in allowed for other, allowed in self.when.items())

    @property
    def extremes(self) -> Sequence[Value | None]:
        """Every choice, or both ends of the range."""
        return self.choices or (self.low, self.high)


@dataclass(frozen=True)
class Space:
    """Parameters by key. A key in a condition comes before the key that has the condition."""

    parameters: dict[str, Parameter]

    def __post_init__(self) -> None:
        keys = list(self.parameters)
        for place, (key, parameter) in enumerate(self.parameters.items()):
            if late := set(parameter.when).intersection(keys[place:]):
                raise ValueError(f"{key}: {', '.join(sorted(late))} must come before it")

    def around(self, preset: str, changes: Sequence[str]) -> "Space":
        """The space without the keys that `--set` fixes.

        Args:
            preset: a name in presets/ or a TOML file.
            changes: `--set`.

        Raises:
            ValueError: if no key is left, or if an extreme value makes an invalid configuration; it names the key.
        """
        fixed = {change.partition("=")[0] for change in changes}
        left = Space({key: parameter for key, parameter in self.parameters.items() if key not in fixed})
        if not left.parameters:
            raise ValueError("--set fixes every key of the space: there is nothing to search")
        values = flat(load_config(preset, list(changes))[0])
        for key in left.parameters:
            for corner in left._corners(key, values):
                try:
                    load_config(preset, [*changes, *corner])
                except ValueError as error:
                    raise ValueError(f"space, {' '.join(corner)}: {error}") from None
        return left

    def draw(self, trial: BaseTrial, values: Mapping[str, object]) -> list[str]:
        """A trial's changes "key=value" of a preset; `values` are the preset's values by key."""
        values, changes = dict(values), []
        for key, parameter in self.parameters.items():
            if parameter.means_something(values):
                text = parameter.draw(key, trial)
                values[key] = tomlkit.value(text).unwrap()
                changes.append(f"{key}={text}")
        return changes

    def _corners(self, key: str, values: Mapping[str, object]) -> Iterator[list[str]]:
        """Changes that set a key to each of its extremes, with the first value of each of its conditions."""
        conditions: list[str] = []
        for other, allowed in self.parameters[key].when.items():
            if other in self.parameters:
                conditions.append(f"{other}={_toml(allowed[0])}")
            elif values.get(other) not in allowed:
                return
        for value in self.parameters[key].extremes:
            yield [*conditions, f"{key}={_toml(value)}"]


def load_space(space: str) -> Space:
    """Read a space: a name in spaces/ or a TOML file. ValueError names the key that is wrong."""
    path = Path(space) if space.endswith(".toml") else SPACES / f"{space}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in SPACES.glob("*.toml")))
        raise ValueError(f"no space {space!r}; there are {known}, or give a .toml file")
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
        tables = TypeAdapter(dict[str, dict[str, Parameter]]).validate_python(document)
        return Space({f"{table}.{key}": parameter for table, keys in tables.items() for key, parameter in keys.items()})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ValueError(f"{path.name}: {faults}") from None
    except (TOMLKitError, ValueError) as error:
        raise ValueError(f"{path.name}: {error}") from None


def flat(config: Config) -> dict[str, object]:
    """Every key that `--set` can change, with its value as TOML gives it."""
    values: dict[str, object] = {}
    for table, content in TypeAdapter(Config).dump_python(config, mode="json").items():
        values |= {f"{table}.{key}": value for key, value in content.items()} if isinstance(content, dict) else {}
    return values


def _toml(value: Value | None) -> str:
    return tomlkit.item(value).as_string()

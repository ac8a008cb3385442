"""Settings that come from environment variables only, and what is said of a variable that can't be used."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError


class SettingsError(ValueError):
    """A variable can't be used. The message gives the reason in one sentence."""


class FromEnvironment(BaseModel):
    """Settings. Each field is read from the variable `prefix` + FIELD.

    Messages quote numbers only, because other values may be secret.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    prefix: ClassVar[str]

    @classmethod
    def variable(cls, field: str) -> str:
        """The name of a field's variable."""
        return cls.prefix + field.upper()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read and check every variable. Raises SettingsError, which names the first variable that is wrong."""
        given = {field: cls.variable(field) for field in cls.model_fields if cls.variable(field) in environment}
        try:
            return cls.model_validate({field: environment[variable] for field, variable in given.items()})
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            field = str(fault["loc"][0])
            raise SettingsError(cls.variable(field) + cls._wrong(field, fault)) from None

    @classmethod
    def _wrong(cls, field: str, fault: Any) -> str:
        """What is wrong with a field; this text follows the name of the variable."""
        if "error" in fault.get("ctx", {}) and fault["type"] == "value_error":
            said = str(fault["ctx"]["error"])
            return said if said.startswith(":") else f" {said}"
        bounds = {type(bound).__name__: bound for bound in cls.model_fields[field].metadata}
        if {"Ge", "Le"} <= bounds.keys():
            return f" must be a number from {bounds['Ge'].ge:g} to {bounds['Le'].le:g}, not {fault['input']!r}."
        if fault["type"] == "literal_error":
            return f" must be {fault['ctx']['expected'].replace(chr(39), '')}."
        return " is missing." if fault["type"] == "missing" else f" can't be used: {fault['msg']}."

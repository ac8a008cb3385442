"""Two things that SQL says differently in SQLite and PostgreSQL.

DICOM's wild cards (PS3.4 C.2.2.2.4) are matched character by character, and upper and lower case differ. SQLite's LIKE
doesn't see that ASCII letters differ in case, so GLOB is used there.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

ESCAPE = "!"


class Wild(FunctionElement[bool]):
    """Whether a text matches a pattern with `*` and `?`."""

    inherit_cache = True
    type = Boolean()
    name = "wild"

    def __init__(self, text: ColumnElement[str], pattern: str) -> None:
        super().__init__(text, literal(_like(pattern), String()), literal(_glob(pattern), String()))


@compiles(Wild)
def _compile_like(element: Wild, compiler: SQLCompiler, **options: Any) -> str:
    text, like, _ = element.clauses
    return f"{compiler.process(text, **options)} LIKE {compiler.process(like, **options)} ESCAPE '{ESCAPE}'"


@compiles(Wild, "sqlite")
def _compile_glob(element: Wild, compiler: SQLCompiler, **options: Any) -> str:
    text, _, glob = element.clauses
    return f"{compiler.process(text, **options)} GLOB {compiler.process(glob, **options)}"


class Checked(FunctionElement[Any]):
    """A column that is only checked, row by row. SQLite takes the first index that fits, whatever it costs."""

    inherit_cache = True
    name = "checked"

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(Checked)
def _compile_plain(element: Checked, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(next(iter(element.clauses)), **options)


@compiles(Checked, "sqlite")
def _compile_without_index(element: Checked, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{_compile_plain(element, compiler, **options)}"


def _like(pattern: str) -> str:
    """A pattern for LIKE, in which `%` and `_` are wild cards."""
    for special in (ESCAPE, "%", "_"):
        pattern = pattern.replace(special, ESCAPE + special)
    return pattern.replace("*", "%").replace("?", "_")


def _glob(pattern: str) -> str:
    """A pattern for GLOB, in which `*` and `?` are wild cards as in DICOM, and brackets hold alternatives."""
    return pattern.replace("[", "[[]")

"""The texts of the pages, by name. `strings/en.json` has the English ones; another language is one more file.

Templates call `t("worklist.title")`, modules `t("worklist.pages", {count: 3})` (static/texts.js). What is in braces is
replaced by the value of that name.
"""

import json
from functools import cache

from app.contract.json_text import dumps
from app.viewer.files import STRINGS

DEFAULT = "en"
LANGUAGES = tuple(sorted(path.stem for path in STRINGS.glob("*.json")))


def text(language: str, name: str, **values: object) -> str:
    """The text of this name. Raises KeyError if there is none."""
    return _texts(language)[name].format(**values)


def module(language: str) -> str:
    """All texts as an ES module."""
    return f"export default {dumps(_texts(language))};\n"


@cache
def _texts(language: str) -> dict[str, str]:
    """Those of a language; the English ones where it has none yet."""
    read: dict[str, str] = json.loads((STRINGS / f"{language}.json").read_text(encoding="utf-8"))
    return read if language == DEFAULT else _texts(DEFAULT) | read

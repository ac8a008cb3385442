"""The files that pages load, and the digest that names their version."""

import hashlib
import posixpath
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
STATIC, STRINGS = FOLDER / "static", FOLDER / "strings"
IMPORT = re.compile(r'^(?:import|export)[^"]*? from "(\.[^"]+)";', re.MULTILINE)


@cache
def modules(*names: str) -> tuple[str, ...]:
    """All modules that these import, and those that they import, and so on. A browser can then ask for all at once.

    Args:
        names: Modules in `static`, such as "study/study.js".
    """
    found, waiting = {}, list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = IMPORT.findall((STATIC / name).read_text(encoding="utf-8"))
            waiting += [posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) for path in found[name]]
    return tuple(sorted(found.keys() - set(names)))


def _version() -> str:
    """Changes with every change of a file or text."""
    digest = hashlib.sha256()
    for path in sorted([*STATIC.rglob("*.*"), *STRINGS.glob("*.json")]):
        if path.is_file():
            digest.update(f"{path.relative_to(FOLDER)} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


VERSION = _version()

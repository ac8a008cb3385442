"""The files that pages load, and the digest that names their version."""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).parent
STATIC, STRINGS = FOLDER / "static", FOLDER / "strings"


def _version() -> str:
    """Changes with every change of a file or text."""
    digest = hashlib.sha256()
    for path in sorted([*STATIC.rglob("*.*"), *STRINGS.glob("*.json")]):
        if path.is_file():
            digest.update(f"{path.relative_to(FOLDER)} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


VERSION = _version()

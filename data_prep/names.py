"""Names of files and folders as text that every reader takes, and back.

A name on a disk is bytes. Those that are no UTF-8 (an archive that was unpacked under Latin-1) Python keeps as lone
surrogates (PEP 383), which no encoder writes; others hold line breaks or letters that turn a line round. Here they are
written as escapes, `\\xfc` for a byte and `\\u202e` for a character: no name spoils a table, an answer or a log.
"""

import hashlib
import os
import re
import sys
from pathlib import Path

# Invisible, and letters of some languages are joined or parted by them: Persian, Hindi, families of emoji.
JOINERS = "\u200c\u200d"
# What Python makes of a byte that is no UTF-8, less the byte.
SURROGATE = 0xDC00
# A spreadsheet takes a cell that begins so for a formula, and runs it (OWASP, CSV Injection).
FORMULA = "=+-@"
ESCAPE = re.compile(r"\\x(?!00)([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")
# Windows and old Unix in the West, DOS and its archives.
ELSEWHERE = ("cp1252", "latin-1", "cp437", "cp850")
# The longest name of most file systems is 255 bytes. Beyond this many, what is to be added no longer fits.
LONGEST = 160


def shown(name: str) -> str:
    """A name, or a path with `/`, in characters that can be printed and encoded. `original` gives it back."""
    escaped = "".join(_escaped(character) for character in re.sub(r"\\(?=[xuU])", r"\\x5c", name))
    return re.sub(r"^ | $", r"\\x20", escaped)


def spellings(name: str) -> set[str]:
    """What people may call a name: itself, as it is shown, and if its bytes are no UTF-8, what they are elsewhere."""
    known = {name, shown(name)}
    if any(SURROGATE <= ord(character) <= SURROGATE + 0xFF for character in name):
        known |= {os.fsencode(name).decode(encoding, errors="replace") for encoding in ELSEWHERE}
    return known


def cell(text: str) -> str:
    """`shown`, for a table's cell."""
    return no_formula(shown(text))


def no_formula(text: str) -> str:
    """Not what a spreadsheet takes for a formula: its first character is escaped if it has to be."""
    return f"\\x{ord(text[0]):02x}{text[1:]}" if text.startswith(tuple(FORMULA)) else text


def original(text: str) -> str:
    """The name that `shown` or `cell` has written."""
    return ESCAPE.sub(_character, text)


def file_name(name: str) -> str:
    """A name for a file about something of that name: `shown`, and cut with a digest at its end where it is long."""
    text = shown(name)
    if len(text.encode()) <= LONGEST:
        return text
    return marked(text)


def marked(text: str) -> str:
    """The beginning of a name with a digest of all of it."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text.encode()[: LONGEST - 17].decode(errors='ignore')}-{digest}"


def beginning(path: Path) -> str:
    """As much of a file's name as leaves room for an addition."""
    return os.fsdecode(os.fsencode(path.name)[:LONGEST])


def print_any_name() -> None:
    """From now on a name that the terminal or log can't show is printed with escapes; it ends no program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # tests put other streams in their place
            stream.reconfigure(errors="backslashreplace")


def _escaped(character: str) -> str:
    code = ord(character)
    if character.isprintable() or character in JOINERS:
        return character
    if SURROGATE + 0x80 <= code <= SURROGATE + 0xFF:
        return f"\\x{code - SURROGATE:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _character(match: re.Match[str]) -> str:
    byte, *codes = match.groups()
    if byte is None:
        return chr(int(codes[0] or codes[1], 16) % (sys.maxunicode + 1))
    return chr(int(byte, 16) if int(byte, 16) < 0x80 else SURROGATE + int(byte, 16))

"""Names of files and folders as text that can always be printed and encoded, and back.

A name on a disk is bytes. Bytes that aren't UTF-8 (from an archive that was unpacked under Latin-1, for example) are
lone surrogates in Python (PEP 383), which no encoder writes. Other names hold line breaks, or characters that change
the direction of the text. Here such characters are written as escapes, `\\xfc` for a byte and `\\u202e` for a
character, so that no name breaks a table, an answer or a log.
"""

import hashlib
import os
import re
import sys
from pathlib import Path

# Invisible characters that join or separate letters in some languages (Persian, Hindi) and in groups of emoji.
JOINERS = "\u200c\u200d"
# Python represents a byte that isn't UTF-8 as this plus the byte.
SURROGATE = 0xDC00
# A spreadsheet treats a cell that begins with one of these as a formula, and runs it (OWASP, CSV Injection).
FORMULA = "=+-@"
ESCAPE = re.compile(r"\\x(?!00)([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")
# Encodings of Western Windows and old Unix, and of DOS and its archives.
ELSEWHERE = ("cp1252", "latin-1", "cp437", "cp850")
# Most file systems allow names of 255 bytes. This limit leaves room for an addition.
LONGEST = 160


def shown(name: str) -> str:
    """A name, or a path with `/`, in characters that can be printed and encoded. `original` reverses it."""
    escaped = "".join(_escaped(character) for character in re.sub(r"\\(?=[xuU])", r"\\x5c", name))
    return re.sub(r"^ | $", r"\\x20", escaped)


def spellings(name: str) -> set[str]:
    """The forms in which people may write a name.

    These are the name itself, the name as `shown`, and for bytes that aren't UTF-8 the name in other encodings.
    """
    known = {name, shown(name)}
    if any(SURROGATE <= ord(character) <= SURROGATE + 0xFF for character in name):
        known |= {os.fsencode(name).decode(encoding, errors="replace") for encoding in ELSEWHERE}
    return known


def cell(text: str) -> str:
    """`shown`, for a table's cell."""
    return no_formula(shown(text))


def no_formula(text: str) -> str:
    """The text with its first character escaped if a spreadsheet would treat the text as a formula."""
    return f"\\x{ord(text[0]):02x}{text[1:]}" if text.startswith(tuple(FORMULA)) else text


def original(text: str) -> str:
    """The original name of a text that `shown` or `cell` made."""
    return ESCAPE.sub(_character, text)


def file_name(name: str) -> str:
    """A file name made from any name: the name as `shown`; a long one is cut and ends with a digest."""
    text = shown(name)
    if len(text.encode()) <= LONGEST:
        return text
    return marked(text)


def marked(text: str) -> str:
    """The beginning of a name, followed by a digest of the whole name."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text.encode()[: LONGEST - 17].decode(errors='ignore')}-{digest}"


def beginning(path: Path) -> str:
    """The beginning of a file's name, short enough to leave room for an addition."""
    return os.fsdecode(os.fsencode(path.name)[:LONGEST])


def print_any_name() -> None:
    """From now on, print names with escapes if the terminal or log can't show them, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # tests replace the streams
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

"""Ways to damage bytes, a DICOM file and a zip. Each is a function of a random source and the bytes."""

import io
import random
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping

from pydicom._uid_dict import UID_dictionary

from tests.app import attacks
from tests.app.mutants.structure import START, UNDEFINED, Element, elements, fields, meta_end

Chance = random.Random
Damage = Callable[[Chance, bytes], bytes]
# What stands in a mutant's texts, and must never stand in a log.
TEXT = b"Grumpus"
VRS = b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
VALUES = (
    *(
        b"",
        b" ",
        TEXT,
        b"nan",
        b"inf",
        b"-1",
        b"0",
        b"1e308",
        b"999999999999",
        b"1\\2\\3",
        b"\\\\",
        b"../../x",
        b"\0" * 8,
    ),
    *(b"\xff\xfe\xff\xff", TEXT * 40, "\u00e9\u4e2d\U0001f9b4".encode(), b"1.2.", b"20261301", b"\x1b$B", b"%s%n"),
)
LENGTHS = (0, 1, 2, 3, 7, 0xFF, 0x7FFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, UNDEFINED)
SYNTAXES = [uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"]
NUMBERS = ("Rows", "Columns")
METHODS = (0, 8, 9, 12, 14, 95, 99, 0xFFFF)


def bits(chance: Chance, content: bytes) -> bytes:
    """A few bits flipped, mostly in the first part, where headers are."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(min(len(changed), chance.choice((600, 2000, 1 << 30))))
        changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


def run(chance: Chance, content: bytes) -> bytes:
    """A run of bytes replaced, inserted or removed."""
    at, size = chance.randrange(len(content)), chance.choice((1, 2, 4, 8, 64, 1000))
    new = chance.choice((b"\0" * size, b"\xff" * size, chance.randbytes(size), TEXT, b""))
    return content[:at] + new + content[at + chance.choice((0, size)) :]


def cut(chance: Chance, content: bytes) -> bytes:
    """The beginning only, and perhaps something after it."""
    kept = content[: chance.randrange(len(content))]
    return kept + chance.choice((b"", chance.randbytes(10), TEXT, kept[-400:]))


def repeated(chance: Chance, content: bytes) -> bytes:
    """A part that stands there twice."""
    start = chance.randrange(len(content))
    part = content[start : start + chance.choice((8, 100, 2000))]
    at = chance.randrange(len(content))
    return content[:at] + part + content[at:]


def _one(chance: Chance, file: bytes) -> Element | None:
    found = elements(file)
    return chance.choice(found) if found else None


def _with_length(file: bytes, element: Element, value: int) -> bytes:
    written = (value & ((1 << 8 * element.width) - 1)).to_bytes(element.width, "little")
    return file[: element.length] + written + file[element.value :]


def length(chance: Chance, file: bytes) -> bytes:
    """An element's length that isn't its value's."""
    if (element := _one(chance, file)) is None:
        return bits(chance, file)
    size = element.end - element.value
    return _with_length(file, element, chance.choice((*LENGTHS, size - 1, size + 1, size + 2, 2 * size, len(file))))


def value(chance: Chance, file: bytes) -> bytes:
    """Another value."""
    if (element := _one(chance, file)) is None:
        return run(chance, file)
    size = element.end - element.value
    new = chance.choice((*VALUES, chance.randbytes(max(size, 2)), b"\0" * size, b"\xff" * size))
    new += b" " * (len(new) % 2)
    return _with_length(file[: element.value] + new + file[element.end :], element, len(new))


def representation(chance: Chance, file: bytes) -> bytes:
    """Another value representation, with a length of the same or of another width."""
    if (element := _one(chance, file)) is None:
        return bits(chance, file)
    vr = chance.choice((*VRS, b"ZZ", b"\0\0"))
    return file[: element.start + 4] + vr + file[element.start + 6 :]


def removed(chance: Chance, file: bytes) -> bytes:
    """An element less."""
    if (element := _one(chance, file)) is None:
        return cut(chance, file)
    return file[: element.start] + file[element.end :]


def moved(chance: Chance, file: bytes) -> bytes:
    """An element twice, or in another place."""
    first, second = _one(chance, file), _one(chance, file)
    if first is None or second is None:
        return repeated(chance, file)
    return file[: second.start] + file[first.start : first.end] + file[second.start :]


def inserted(chance: Chance, file: bytes) -> bytes:
    """An element more: any tag, any representation, any value."""
    if (before := _one(chance, file)) is None:
        return run(chance, file)
    group = chance.choice((0x0002, 0x0008, 0x0010, 0x0018, 0x0020, 0x0028, 0x5200, 0x7FE0, 0x0009, 0xFFFE))
    tag = struct.pack(
        "<HH", group, chance.choice((0x0000, 0x0010, 0x0005, 0x9230, 0xE000, 0xE0DD, chance.randrange(1 << 16)))
    )
    new = chance.choice(VALUES)
    head = (
        tag + chance.choice(VRS) + chance.choice((b"\0\0" + struct.pack("<I", len(new)), struct.pack("<H", len(new))))
    )
    return file[: before.start] + head + new + file[before.start :]


def nested(chance: Chance, file: bytes) -> bytes:
    """Sequences in each other or beside each other, whole or not."""
    tag = chance.choice(((0x0008, 0x1140), (0x5200, 0x9230), (0x0028, 0x3010), (0x0028, 0x3000), (0x0009, 0x1001)))
    deep = attacks.nested(tag, chance.choice((1, 2, 30, 300, 3000)))
    wide = attacks.sequence(tag, chance.choice((attacks.ITEM, attacks.OPEN_ITEM)) * chance.choice((1, 100, 5000)))
    new = chance.choice((deep, wide, deep[: len(deep) // 2], wide[:-8], attacks.sequence(tag, TEXT, 8)))
    before = _one(chance, file)
    at = before.start if before else len(file)
    return file[:at] + new + file[at:]


def syntax(chance: Chance, file: bytes) -> bytes:
    """The transfer syntax of another file."""
    for element in elements(file):
        if file[element.start : element.start + 4] == b"\x02\x00\x10\x00":
            uid = chance.choice(SYNTAXES).encode()
            uid += b"\0" * (len(uid) % 2)
            return _with_length(file[: element.value] + uid + file[element.end :], element, len(uid))
    return bits(chance, file)


def meta(chance: Chance, file: bytes) -> bytes:
    """Another head: no preamble, no meta information, half of it, or twice."""
    end = meta_end(file) if len(file) > START + 12 else START
    heads = (file[START:end], file[128:end], file[:START], file[: (START + end) // 2], file[:end] + file[START:end])
    return chance.choice(heads) + file[end:]


def pixels(chance: Chance, file: bytes) -> bytes:
    """Something else in the pixels, which are the last element: codestreams, lengths of fragments, offset tables."""
    at = file.rfind(b"\xe0\x7f\x10\x00")
    if at < 0 or at + 12 >= len(file):
        return run(chance, file)
    damage = chance.choice((bits, run, cut, repeated))
    return file[: at + 12] + damage(chance, file[at + 12 :])


def field(chance: Chance, archive: bytes) -> bytes:
    """Other numbers in a zip's directory, local headers and data descriptors."""
    changed = bytearray(archive)
    for _ in range(chance.choice((1, 1, 2, 5))):
        if found := fields(archive):
            at, width = chance.choice(found)
            old = int.from_bytes(archive[at : at + width], "little")
            new = chance.choice((*LENGTHS, *METHODS, old + 1, old - 1, old ^ 1, old ^ 8, chance.getrandbits(32)))
            changed[at : at + width] = (new & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    return bytes(changed)


def overlapping(chance: Chance, archive: bytes) -> bytes:
    """Every entry of the directory names the same data, or the names are the same."""
    changed, found = bytearray(archive), []
    at = archive.find(b"PK\x01\x02")
    while at >= 0:
        found.append(at)
        at = archive.find(b"PK\x01\x02", at + 4)
    for at in found[1:]:
        if chance.random() < 0.7:
            changed[at + 42 : at + 46] = archive[found[0] + 42 : found[0] + 46]
    return bytes(changed)


def rearchived(chance: Chance, archive: bytes) -> bytes:
    """The entries in another zip: stored, streamed with data descriptors, nested, with odd names, beside others."""
    source, target = zipfile.ZipFile(io.BytesIO(archive)), io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),
        zipfile.ZipFile(
            _Unseekable(target) if chance.random() < 0.5 else target, "w", chance.choice((0, 8, 12, 14))
        ) as new,
    ):
        new.comment = TEXT * chance.choice((0, 1, 3000))
        for info in source.infolist():
            names = (
                info.filename,
                "same",
                f"../../{info.filename}",
                "/" + info.filename,
                "x" * 300,
                "\u00e9/" + info.filename,
            )
            name, content = chance.choice(names), source.read(info)
            new.writestr(name, chance.choice((content, content, content, content[:200], b"", archive[:3000])))
        new.writestr("README", TEXT)
        if chance.random() < 0.3:
            new.writestr("inner.zip", archive)
    return chance.choice((target.getvalue(), TEXT + target.getvalue(), target.getvalue() + TEXT))


class _Unseekable(io.RawIOBase):
    """With it, zipfile writes data descriptors."""

    def __init__(self, target: io.BytesIO) -> None:
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self._target.write(data)


ANY: Mapping[str, Damage] = {"bits": bits, "run": run, "cut": cut, "repeated": repeated}
DICOM: Mapping[str, Damage] = ANY | {
    **{"length": length, "value": value, "representation": representation, "removed": removed, "moved": moved},
    **{"inserted": inserted, "nested": nested, "syntax": syntax, "meta": meta, "pixels": pixels},
}
ZIP: Mapping[str, Damage] = ANY | {"field": field, "overlapping": overlapping, "rearchived": rearchived}

"""Who is whose in exam tables: patients by a keyed hash, so that nobody can try all numbers or names to find one.

HMAC-SHA256 (RFC 2104) with a secret that lies in a file of its own beside the table. Whoever has both can enumerate;
whoever has the table alone can't. The same file makes two imports agree.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from data_prep.dicom.identity import Identity, plain

KEY_FILE = ".patient-key"
KEY_BYTES = 32
# Digits of 4 bits: 12 tell a million patients apart with a chance of one in 500 that any two look the same.
PATIENT_DIGITS, KEY_DIGITS = 12, 4
_PATIENT_ID = re.compile(rf"patient-([0-9a-f]{{{KEY_DIGITS}}})-[0-9a-f]{{{PATIENT_DIGITS}}}")
_LIKE_A_NUMBER = re.compile(r"^(\d+)[.,]0+$")
_UNKEYED = re.compile(rf"patient-[0-9a-f]{{{PATIENT_DIGITS}}}")


@dataclass(frozen=True)
class PatientIds:
    """Ids such as patient-1f0c-9be43c5a7d21: digits of the key, by which tables of different keys are known, then the
    patient's.
    """

    key: bytes = field(repr=False)

    @classmethod
    def of_file(cls, path: Path, make: bool) -> Self:
        """The key in a file; make: a new one, for its owner only, if there is none. ValueError if it holds no key."""
        if make and not path.exists():
            _write_new(path)
        if not path.is_file():
            raise ValueError(f"{path}: there is no such file; the key is made beside the first table, as {KEY_FILE}")
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii"))
        except ValueError:
            key = b""
        if len(key) < KEY_BYTES:
            raise ValueError(f"{path}: it holds no patient key; bring the file back, or delete it and import anew")
        return cls(key)

    def of(self, patient: str) -> str:
        """The id of a patient, by anything that tells patients apart."""
        return f"patient-{self._digest('key', '')[:KEY_DIGITS]}-{self._digest('patient', patient)[:PATIENT_DIGITS]}"

    def _digest(self, what: str, text: str) -> str:
        return hmac.new(self.key, f"{what}:{text}".encode(errors="surrogateescape"), hashlib.sha256).hexdigest()


def patient_of(known: str, headers: Iterable[Identity], ids_by_name: Mapping[tuple[str, ...], set[str]]) -> str:
    """What tells a study's patient apart: what the table says, the headers' id, or a name; '' if none is known.

    ids_by_name: of all studies, since software that leaves ids out of one study leaves them in another.
    """
    if known:
        return plain(_LIKE_A_NUMBER.sub(r"\1", known))
    ids = {one.id for one in headers if one.id}
    names = min((one.names for one in headers if one.names), default=())
    if not ids and len(same := ids_by_name.get(names, set())) == 1:
        ids = same
    return min(ids, default="=".join(names))


def keys_used(patient_ids: Iterable[str]) -> set[str]:
    """Which keys made these ids, by the digits that ids show of them."""
    return {match[1] for one in patient_ids if (match := _PATIENT_ID.fullmatch(one))}


def is_unkeyed(patient_id: str) -> bool:
    """Whether an id is a bare hash, as tables had it before there was a key."""
    return bool(_UNKEYED.fullmatch(patient_id))


def _write_new(path: Path) -> None:
    """A file that is there whole or not at all, and never takes another's place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{secrets.token_hex(KEY_BYTES)}\n")
        with suppress(FileExistsError):  # another import made one meanwhile
            os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)

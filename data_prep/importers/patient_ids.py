"""Patient ids in exam tables: a keyed hash, so that nobody can find a patient by trying all numbers or names.

HMAC-SHA256 (RFC 2104) with a secret key, which is kept in a separate file beside the table. A person who has both can
try all numbers; a person who has only the table can't. Two imports with the same key file give a patient the same id.
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
# Hexadecimal digits (4 bits). With 12, the chance that any two of a million patients get the same id is 1 in 500.
PATIENT_DIGITS, KEY_DIGITS = 12, 4
_PATIENT_ID = re.compile(rf"patient-([0-9a-f]{{{KEY_DIGITS}}})-[0-9a-f]{{{PATIENT_DIGITS}}}")
_LIKE_A_NUMBER = re.compile(r"^(\d+)[.,]0+$")
_UNKEYED = re.compile(rf"patient-[0-9a-f]{{{PATIENT_DIGITS}}}")


@dataclass(frozen=True)
class PatientIds:
    """Makes ids such as patient-1f0c-9be43c5a7d21: first digits of the key, then digits of the patient.

    Tables with different keys can be recognised by the key's digits.
    """

    key: bytes = field(repr=False)

    @classmethod
    def of_file(cls, path: Path, make: bool) -> Self:
        """Read the key from a file.

        Args:
            path: The key file.
            make: Write a new key, readable by its owner only, if the file doesn't exist.

        Raises:
            ValueError: If the file doesn't exist or holds no key.
        """
        if make and not path.exists():
            _write_new(path)
        if not path.is_file():
            raise ValueError(
                f"{path}: there is no such file; the first import writes the key beside its table, as {KEY_FILE}"
            )
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii"))
        except ValueError:
            key = b""
        if len(key) < KEY_BYTES:
            raise ValueError(f"{path}: it holds no patient key; restore the file, or delete it and import again")
        return cls(key)

    def of(self, patient: str) -> str:
        """The id of a patient. patient: any text that identifies the patient."""
        return f"patient-{self._digest('key', '')[:KEY_DIGITS]}-{self._digest('patient', patient)[:PATIENT_DIGITS]}"

    def _digest(self, what: str, text: str) -> str:
        return hmac.new(self.key, f"{what}:{text}".encode(errors="surrogateescape"), hashlib.sha256).hexdigest()


def patient_of(known: str, headers: Iterable[Identity], ids_by_name: Mapping[tuple[str, ...], set[str]]) -> str:
    """The text that identifies a study's patient.

    Args:
        known: The id from the table of diagnoses; '' if it gives none.
        headers: Ids and names in the study's DICOM headers.
        ids_by_name: Ids by name, from all studies: software may leave the id out of one study and not of another.

    Returns:
        The table's id, or the headers' id, or a name; '' if nothing is known.
    """
    if known:
        return plain(_LIKE_A_NUMBER.sub(r"\1", known))
    ids = {one.id for one in headers if one.id}
    names = min((one.names for one in headers if one.names), default=())
    if not ids and len(same := ids_by_name.get(names, set())) == 1:
        ids = same
    return min(ids, default="=".join(names))


def keys_used(patient_ids: Iterable[str]) -> set[str]:
    """The keys that made these ids, each as the digits of the key in the ids."""
    return {match[1] for one in patient_ids if (match := _PATIENT_ID.fullmatch(one))}


def is_unkeyed(patient_id: str) -> bool:
    """Whether an id is a hash without a key, as in tables of earlier versions."""
    return bool(_UNKEYED.fullmatch(patient_id))


def _write_new(path: Path) -> None:
    """Write a new key. The file is complete or doesn't exist, and it never replaces another file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{secrets.token_hex(KEY_BYTES)}\n")
        with suppress(FileExistsError):  # another import has written one in the meantime
            os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)

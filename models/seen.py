"""Which exams a bundle was made from, as digests: so that nobody measures it on what it has learnt.

An exam is known by its id or by its pixels. Pixels are known again under another id, other UIDs, another scale or as an
array. A digest of pixels can't be guessed; ids can, so each costs a slow hash with a salt (scrypt, RFC 7914): trying
all ids of a hospital takes long. Nothing else of an exam is kept.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import TypeAdapter

from data_prep.tables.exams import Exam

Role = Literal["learnt", "chosen", "tested"]
# What an exam may have been for, in the order of how much it spoils a figure; only the first two do.
ROLES: tuple[Role, ...] = ("learnt", "chosen", "tested")
SPOILT: dict[Role, str] = {"learnt": "that it has learnt from", "chosen": "that it was chosen on"}
ROLE_OF_SPLIT: dict[str, Role] = {"train": "learnt", "val": "chosen", "test": "tested"}
# scrypt's cost: 2 MB and some milliseconds for each id.
COST, BLOCK = 2**11, 8


@dataclass(frozen=True)
class Digests:
    """Of the exams of one role: hex digests of ids, and of pixels where some are known, each sorted."""

    ids: tuple[str, ...] = ()
    pixels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """table: digest of the exam table's ids, labels and roles, and the salt of the ids' digests."""

    table: str = ""
    roles: dict[Role, Digests] = field(default_factory=dict)

    @classmethod
    def of(cls, exams: Iterable[Exam], pixels: Mapping[str, str], roles: Mapping[str, Role]) -> Self:
        """exams: the whole table. pixels: `fingerprint.exam_digest` by exam id; roles: by exam id, others have none."""
        rows = [
            (exam.exam_id, sorted(exam.binary), sorted(exam.four_class), exam.weight, roles.get(exam.exam_id, ""))
            for exam in exams
        ]
        table = hashlib.sha256(repr(rows).encode("utf-8", "surrogatepass")).hexdigest()
        members: dict[Role, list[str]] = {role: [id_ for id_, its in roles.items() if its == role] for role in ROLES}
        return cls(
            table,
            {
                role: Digests(
                    tuple(sorted(_id_digest(table, exam_id) for exam_id in ids)),
                    tuple(sorted({pixels[exam_id] for exam_id in ids if pixels.get(exam_id)})),
                )
                for role, ids in members.items()
                if ids
            },
        )

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """What `to_json` wrote; ValidationError, a ValueError, for anything else."""
        return TypeAdapter(cls).validate_python(content)

    def to_json(self) -> dict[str, Any]:
        """For `exams.json`."""
        plain: dict[str, Any] = json.loads(TypeAdapter(type(self)).dump_json(self))
        return plain

    def spoilt_by_id(self, exam_id: str) -> Role | None:
        """Whether an exam of this id was learnt from or chosen on."""
        return self._ids.get(_id_digest(self.table, exam_id)) if self._ids else None

    def spoilt_by_pixels(self, digest: str) -> Role | None:
        """The same of an exam with these pixels; "" is like nothing."""
        return self._pixels.get(digest)

    @cached_property
    def _ids(self) -> dict[str, Role]:
        return {
            digest: role for role in reversed(tuple(SPOILT)) if role in self.roles for digest in self.roles[role].ids
        }

    @cached_property
    def _pixels(self) -> dict[str, Role]:
        return {
            digest: role for role in reversed(tuple(SPOILT)) if role in self.roles for digest in self.roles[role].pixels
        }


def _id_digest(salt: str, exam_id: str) -> str:
    content = exam_id.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(content, salt=salt.encode(), n=COST, r=BLOCK, p=1, dklen=16).hex()

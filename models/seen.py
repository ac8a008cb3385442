"""Which exams a bundle was made from, as digests, so that nobody evaluates it on exams that it has learnt from.

An exam is recognised by its id or by its pixels. Pixels are recognised under another id, other UIDs, another scale or
as an array. A digest of pixels can't be guessed. Ids can be guessed, so each is hashed slowly with a salt (scrypt,
RFC 7914): trying all ids of a hospital takes long. Nothing else of an exam is kept.
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
# What an exam was used for, in the order of how much it spoils a figure; only the first two spoil it.
ROLES: tuple[Role, ...] = ("learnt", "chosen", "tested")
SPOILT: dict[Role, str] = {"learnt": "that it has learnt from", "chosen": "that it was chosen on"}
ROLE_OF_SPLIT: dict[str, Role] = {"train": "learnt", "val": "chosen", "test": "tested"}
# scrypt's cost: 2 MB and a few milliseconds for each id.
COST, BLOCK = 2**11, 8


@dataclass(frozen=True)
class Digests:
    """Digests of the exams of one role.

    Attributes:
        ids: Hexadecimal digests of ids, sorted.
        pixels: Hexadecimal digests of pixels, where they are known, sorted.
    """

    ids: tuple[str, ...] = ()
    pixels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """The exams that a bundle was made from.

    Attributes:
        table: Digest of the exam table's ids, labels and roles; also the salt of the ids' digests.
        roles: The exams of each role.
    """

    table: str = ""
    roles: dict[Role, Digests] = field(default_factory=dict)

    @classmethod
    def of(cls, exams: Iterable[Exam], pixels: Mapping[str, str], roles: Mapping[str, Role]) -> Self:
        """Make the digests.

        Args:
            exams: The whole exam table.
            pixels: `fingerprint.exam_digest` by exam id.
            roles: Roles by exam id. Exams that aren't in it have no role.
        """
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
        """Read what `to_json` wrote.

        Raises:
            ValidationError: For anything else. It is a ValueError.
        """
        return TypeAdapter(cls).validate_python(content)

    def to_json(self) -> dict[str, Any]:
        """The content of `exams.json`."""
        plain: dict[str, Any] = json.loads(TypeAdapter(type(self)).dump_json(self))
        return plain

    def is_all_of(self, role: Role, exam_ids: Iterable[str]) -> bool:
        """Whether these exams, and no others, have this role."""
        return {_id_digest(self.table, exam_id) for exam_id in exam_ids} == set(self.roles.get(role, Digests()).ids)

    def spoilt_by_id(self, exam_id: str) -> Role | None:
        """The role of an exam with this id, if it spoils a figure: "learnt" or "chosen"; else None."""
        return self._ids.get(_id_digest(self.table, exam_id)) if self._ids else None

    def spoilt_by_pixels(self, digest: str) -> Role | None:
        """The role of an exam with these pixels, if it spoils a figure; else None. "" matches no exam."""
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

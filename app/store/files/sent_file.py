"""A file that a client sent, as far as the store must know it: read in a process with limits (app/apart/).

`Reader` is the service's. It gives the process the open file, and one to write to if the patient's identity may not
stay, and checks what comes back as if the client had written it. `_read` runs in the process. It needs no copy for each
file: headers are read by Python code alone, without decoders.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, NamedTuple, NotRequired

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, field_validator
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.uid import (
    EnhancedMRColorImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
)
from pydicom.valuerep import VR
from typing_extensions import TypedDict

from app.apart.messages import Failed, Tag, Uid
from app.apart.pool import Pool
from app.contract.json_text import Json
from app.store.files.instance_file import LONGEST_VALUE, Failure, Header, Refusal, checked
from data_prep.deidentify.deidentifier import BURNED_IN_REFUSED, Deidentifier
from data_prep.deidentify.pseudonyms import Pseudonyms
from data_prep.dicom.archive import PREAMBLE, PREFIX
from data_prep.dicom.budget import Budget, Taken
from data_prep.errors import InputError, InputOverLimit, UnsuitableStudy
from data_prep.limits import Limits
from data_prep.selection.missing import MOST_IMAGES, OF_SERIES, OF_STUDY

# Seconds for one file; the most elements that a request may have take about a third of this.
SECONDS = 30.0
READERS = Pool(2 << 30, SECONDS, "app.store.files.sent_file", "Reading its header", "", copied=False)
# What is kept if only de-identified data is: reports hold free text, and screenshots text in their pixels.
MR_IMAGES = frozenset(
    {MRImageStorage, EnhancedMRImageStorage, EnhancedMRColorImageStorage, LegacyConvertedEnhancedMRImageStorage}
)
# After this many files of a request that broke the process or took too much, the others aren't read.
MOST_BROKEN = 3
# Bytes before the data set.
LONGEST_META = 32 << 20

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Count = Annotated[int, Field(ge=0)]
Announced = Annotated[int, Field(ge=0, le=MOST_IMAGES)]
Text = Annotated[str, StringConstraints(max_length=LONGEST_VALUE)]
# A person's name (PS3.18 F.2.2).
Name = dict[Literal["Alphabetic", "Ideographic", "Phonetic"], Text]


class Plain(TypedDict):
    """An attribute in DICOM JSON (PS3.18 F.2) with plain values."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]  # pydantic's way to configure it

    vr: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]
    Value: NotRequired[Annotated[list[Text | int | float | Name | None], Field(max_length=LONGEST_VALUE)]]


class Items(TypedDict):
    """A sequence in DICOM JSON, whose items have plain values."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    vr: Literal["SQ"]
    Value: NotRequired[Annotated[list[dict[Tag, Plain]], Field(max_length=LONGEST_VALUE)]]


_PLAIN, _ITEMS = TypeAdapter(Plain), TypeAdapter(Items)


class Facts(BaseModel):
    """What the store must know of an instance.

    Attributes:
        start: Offset of the data set in bytes, after the file meta information.
        preamble: Whether its preamble isn't blank.
        attributes: What QIDO-RS returns for it.
        series_instances: How many instances its header announces for the series; 0: it doesn't, or it is multi-frame,
            whose frames aren't announced.
        study_instances: How many it announces for the study; 0: it doesn't.
    """

    model_config = _STRICT

    sop_class_uid: Uid
    sop_instance_uid: Uid
    study_uid: Uid
    series_uid: Uid
    start: Annotated[int, Field(ge=PREAMBLE + len(PREFIX), le=LONGEST_META)]
    preamble: bool
    attributes: dict[Tag, Json] = Field(repr=False)
    series_instances: Announced = 0
    study_instances: Announced = 0

    @field_validator("attributes")
    @classmethod
    def _are_searchable(cls, attributes: Json) -> Json:
        if not all(_is_searchable(tag, attribute) for tag, attribute in attributes.items()):
            raise ValueError("an attribute that searches couldn't compare")
        return attributes

    @classmethod
    def of(cls, header: Header) -> "Facts":
        """The facts in a header. Attributes that searches couldn't compare, such as a sequence in place of a text, are
        left out.
        """
        return cls(
            sop_class_uid=header.sop_class_uid,
            sop_instance_uid=header.sop_instance_uid,
            study_uid=header.study_uid,
            series_uid=header.series_uid,
            start=header.start,
            preamble=header.preamble,
            attributes={tag: one for tag, one in header.attributes({}).items() if _is_searchable(tag, one)},
            series_instances=0 if "NumberOfFrames" in header.dataset else header.announced(OF_SERIES),
            study_instances=header.announced(OF_STUDY),
        )


class Refused(BaseModel):
    """A `Refusal`."""

    model_config = _STRICT

    reason: int
    text: Annotated[str, StringConstraints(max_length=1000)]
    sop_class_uid: Uid | Literal[""]
    sop_instance_uid: Uid | Literal[""]


class Said(BaseModel):
    """What the process says of a file.

    Attributes:
        taken: What files have taken of the request's limits so far: as they were sent, and de-identified.
        sent: The file that was sent; None if it is refused.
        kept: The file that is to be kept; None if it is the one that was sent.
    """

    model_config = _STRICT

    taken: tuple[tuple[Count, Count, Count], tuple[Count, Count, Count]]
    refused: Refused | None = None
    sent: Facts | None = None
    kept: Facts | None = None


class Arrived(NamedTuple):
    """A file that may be stored.

    Attributes:
        sent: The file as it was sent.
        kept: The file that is to be stored.
        stream: Its content.
    """

    sent: Facts
    kept: Facts
    stream: BinaryIO


class Reader:
    """Reads the files of one request, within limits for all of them.

    Args:
        study_uid: The study that they must belong to; None allows any.
        deidentifier: Removes the patient's identity; None if it may stay.
        folder: Where files without the patient's identity are written, without a name.
    """

    def __init__(self, study_uid: str | None, deidentifier: Deidentifier | None, folder: Path) -> None:
        self._study_uid, self._folder = study_uid, folder
        pseudonyms = deidentifier.pseudonyms if deidentifier else None
        self._secret = (pseudonyms.key.hex(), pseudonyms.retain_uids) if pseudonyms else None
        self._taken: tuple[tuple[int, ...], tuple[int, ...]] = Taken(), Taken()
        self._broken = 0

    def read(self, content: BinaryIO | bytes) -> Arrived:
        """Read a file. It is closed if it isn't stored as it is.

        Raises:
            Refusal: It isn't stored.
            ServiceUnavailable, TooManyRequests: Nobody can read it now.
        """
        stream = _open(content)
        try:
            with self._refusing():
                if self._secret is None:
                    said = self._ask([stream])
                    return Arrived(*_facts(said), stream)
                return self._without_identity(stream)
        except BaseException:
            stream.close()
            raise

    def _without_identity(self, stream: BinaryIO) -> Arrived:
        target = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  (the caller closes it)
        try:
            arrived = Arrived(*_facts(self._ask([stream, target])), target)
        except BaseException:
            target.close()
            raise
        stream.close()
        return arrived

    def _ask(self, files: list[BinaryIO]) -> Said:
        said = READERS.call(Said, _read, self._study_uid, self._secret, self._taken, files=files)
        self._taken = said.taken
        return said

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Refuse a file that can't be read, in place of the whole request."""
        if self._broken >= MOST_BROKEN:
            raise Refusal(Failure.RESOURCES, "Other files of this request took too much. Send this one again without.")
        try:
            yield
        except InputOverLimit as error:
            self._broken += 1
            raise Refusal(Failure.RESOURCES, error.detail) from None
        except InputError as error:
            self._broken += 1
            raise Refusal(Failure.NOT_UNDERSTOOD, error.detail) from None
        except Failed:
            raise Refusal(
                Failure.PROCESSING, "The service failed while it read this file; its log says where."
            ) from None


def own(content: BinaryIO | bytes) -> Arrived:
    """A result that this service made, which is read here. Raises Refusal if it can't be stored."""
    stream = BytesIO(content) if isinstance(content, bytes) else content
    facts = Facts.of(checked(stream, None, {}))
    return Arrived(facts, facts, stream)


def _open(content: BinaryIO | bytes) -> BinaryIO:
    if not isinstance(content, bytes):
        return content
    stream = tempfile.TemporaryFile()  # noqa: SIM115  (the caller closes it)
    try:
        stream.write(content)
        stream.flush()
    except OSError:
        with suppress(OSError):
            stream.close()
        raise
    return stream


def _facts(said: Said) -> tuple[Facts, Facts]:
    if said.sent is not None:
        return said.sent, said.kept or said.sent
    if said.refused is None or said.refused.reason not in set(Failure):
        raise Refusal(Failure.NOT_UNDERSTOOD, "It breaks the process that reads it.")
    refused = said.refused
    raise Refusal(Failure(refused.reason), refused.text, refused.sop_class_uid, refused.sop_instance_uid)


def _is_searchable(tag: str, attribute: object) -> bool:
    """Whether an attribute is a sequence if, and only if, the dictionary says so, and has the values of its kind."""
    number = int(tag, 16)
    expected = _ITEMS if dictionary_has_tag(number) and dictionary_VR(number) == VR.SQ else _PLAIN
    try:
        return (expected.validate_python(attribute)["vr"] == VR.SQ) == (expected is _ITEMS)
    except ValidationError:
        return False


def _read(
    files: list[BinaryIO],
    study_uid: str | None,
    secret: tuple[str, bool] | None,
    taken: tuple[tuple[int, int, int], tuple[int, int, int]],
) -> Said:
    """Read a file, and write it to the second one without the patient's identity if there is a secret."""
    budget, again = (Budget(Limits(), Taken(*one)) for one in taken)
    sent = kept = refused = None
    try:
        header = checked(files[0], study_uid, {}, budget)
        if secret is not None:
            deidentifier = Deidentifier(Pseudonyms(bytes.fromhex(secret[0]), secret[1]))
            _deidentify(files[0], files[1], header, deidentifier, again)
            kept = Facts.of(checked(files[1], None, {}))
        sent = Facts.of(header)
    except Refusal as refusal:
        refused = Refused(
            reason=refusal.reason.value,
            text=refusal.text,
            sop_class_uid=refusal.sop_class_uid,
            sop_instance_uid=refusal.sop_instance_uid,
        )
    return Said(taken=(budget.taken, again.taken), refused=refused, sent=sent, kept=kept)


def _deidentify(stream: BinaryIO, target: BinaryIO, header: Header, deidentifier: Deidentifier, budget: Budget) -> None:
    """Write a file without the patient's identity. Raises Refusal if it can't be kept so."""
    uids = header.sop_class_uid, header.sop_instance_uid
    if header.sop_class_uid not in MR_IMAGES:
        raise Refusal(
            Failure.SOP_CLASS, "This service keeps de-identified images only, and takes MR images only.", *uids
        )
    try:
        budget.take_sent(stream.seek(0, os.SEEK_END))
        if deidentifier.write(stream, target, budget):
            raise UnsuitableStudy(BURNED_IN_REFUSED)
        target.flush()
    except UnsuitableStudy as error:
        raise Refusal(Failure.PROCESSING, error.detail, *uids) from None
    except InputOverLimit as error:
        raise Refusal(Failure.RESOURCES, error.detail, *uids) from None
    except InputError as error:
        raise Refusal(Failure.NOT_UNDERSTOOD, error.detail, *uids) from None
    except (OSError, MemoryError):
        raise
    except Exception:  # pydicom may raise any exception
        raise Refusal(Failure.NOT_UNDERSTOOD, "It can't be read as DICOM; it may be damaged.", *uids) from None

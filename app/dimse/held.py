"""What peers can find and get: the same instances as by DICOMweb, by the same search."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import BinaryIO

from pydicom.datadict import dictionary_VR
from werkzeug.exceptions import HTTPException

from app.contract.json_text import Json
from app.dimse.identifier import UNIQUE, Unusable
from app.dimse.identifier import Level as Asked
from app.search.asked import InvalidKey, conditions
from app.search.finding import Found, find
from app.store.database import Database, Instance
from app.store.index.keys import Level, keys_for, tag
from app.store.instances import Instances

# A patient is found by a study of theirs.
LEVELS: dict[Asked, Level] = {
    "PATIENT": Level.STUDY,
    "STUDY": Level.STUDY,
    "SERIES": Level.SERIES,
    "IMAGE": Level.INSTANCE,
}
PATIENT = frozenset({"PatientName", "PatientID", "PatientBirthDate", "PatientSex"})
# Keys that are answered, but not matched (PS3.4 C.3.4).
COUNTS: dict[Asked, frozenset[str]] = {
    "PATIENT": frozenset(),
    "STUDY": frozenset({"NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "InstanceAvailability"}),
    "SERIES": frozenset({"NumberOfSeriesRelatedInstances", "InstanceAvailability"}),
    "IMAGE": frozenset({"InstanceAvailability"}),
}
# Results that are in memory at once.
PAGE = 500
LONGEST_COMMENT = 64


class Held:
    """The instances that the service holds.

    Args:
        database: Lists them.
        instances: Holds their files.
    """

    def __init__(self, database: Database, instances: Instances) -> None:
        self._database, self._instances = database, instances

    def keys(self, level: Asked) -> frozenset[str]:
        """The keywords that a search of a level can use or return."""
        if level == "PATIENT":
            return PATIENT
        matched = {key.keyword for key in keys_for(LEVELS[level]) if len(key.path) == 1}
        return COUNTS[level] | matched

    def search(self, level: Asked, keys: Mapping[str, str]) -> Iterator[Json]:
        """What matches, as DICOM JSON.

        Args:
            level: Of what.
            keys: Values to match, by keyword; empty: any.

        Raises:
            Unusable: A value can't be matched.
        """
        known = {key.keyword: key for key in keys_for(LEVELS[level]) if len(key.path) == 1}
        try:
            wanted = conditions((known[name], text) for name, text in keys.items() if name in known)
        except InvalidKey as error:
            raise Unusable(str(error)[:LONGEST_COMMENT]) from None
        seen, offset = set[str](), 0
        while page := find(self._database, LEVELS[level], wanted, PAGE, offset):
            for one in page:
                if level != "PATIENT":
                    yield _described(one)
                elif (patient := str(_first(one.attributes, "PatientID"))) not in seen:
                    seen.add(patient)
                    yield one.attributes
            offset += len(page)

    def rows(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[Instance]:
        """Instances by unique keys, such as all of a study.

        Args:
            wanted: The values of each unique key; an empty list: any.
        """
        chosen = {keyword: list(dict.fromkeys(uids)) for keyword, uids in wanted.items()}
        if patients := chosen.pop("PatientID", []):
            studies = [uid for patient in patients for uid in self._studies(patient)]
            named = chosen["StudyInstanceUID"]
            chosen["StudyInstanceUID"] = [uid for uid in studies if not named or uid in named]
            if not chosen["StudyInstanceUID"]:
                return
        lowest = next(keyword for keyword in reversed(chosen) if chosen[keyword])
        for uid in chosen[lowest]:
            names = {"StudyInstanceUID": "study_uid", "SeriesInstanceUID": "series_uid", "SOPInstanceUID": "sop_uid"}
            for row in self._instances.find(**{names[lowest]: uid}):
                if all(not uids or getattr(row, names[keyword]) in uids for keyword, uids in chosen.items()):
                    yield row

    def present(self, sop_uids: Iterable[str]) -> dict[str, Instance]:
        """Those of these instances whose files are there and whole, by UID."""
        found = {}
        for uid in sop_uids:
            for row in self._instances.find(sop_uid=uid):
                with suppress(HTTPException), self._instances.open(row):
                    found[uid] = row
        return found

    def open(self, row: Instance) -> BinaryIO:
        """The file of an instance. Raises NotFound or FileLost."""
        return self._instances.open(row)

    def reading(self, study_uid: str) -> AbstractContextManager[None]:
        """As long as the block runs, files of this study don't expire."""
        return self._instances.reading(study_uid)

    def _studies(self, patient: str) -> list[str]:
        """The studies of a patient."""
        found = self.search("STUDY", {"PatientID": patient})
        return [str(_first(one, UNIQUE["STUDY"])) for one in found]


def _described(one: Found) -> Json:
    """The attributes of what was found, with counts."""
    counts: dict[str, object] = {"InstanceAvailability": "ONLINE"}
    if one.level is Level.STUDY:
        counts |= {"NumberOfStudyRelatedSeries": one.series, "NumberOfStudyRelatedInstances": one.instances}
    elif one.level is Level.SERIES:
        counts["NumberOfSeriesRelatedInstances"] = one.instances
    return one.attributes | {
        tag(keyword): {"vr": dictionary_VR(keyword), "Value": [value]} for keyword, value in counts.items()
    }


def _first(attributes: Json, keyword: str) -> object:
    return next(iter(attributes.get(tag(keyword), {}).get("Value", ())), "")

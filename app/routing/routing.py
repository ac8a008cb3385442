"""The rule for a study that the service holds, by what has been received of it."""

from collections.abc import Iterator

from sqlalchemy import func, select

from app.contract.json_text import Json
from app.routing.rules import Facts, Rule, Rules
from app.store.database import Database, Instance, Study

# Keys of DICOM JSON: StationName, StudyDescription, SeriesDescription, BodyPartExamined.
KEYS = {"station": ("00081010",), "description": ("00081030", "0008103E"), "body_part": ("00180015",)}


class Routing:
    """Applies rules to studies.

    Args:
        database: Holds what was received.
        rules: The operator's rules.
    """

    def __init__(self, database: Database, rules: Rules) -> None:
        self._database, self._rules = database, rules

    def rule(self, study_uid: str) -> Rule | None:
        """The rule for a study; None if no rule matches. A study that isn't held has no values to match."""
        return self._rules.first(self._facts(study_uid)) if self._rules.rule else None

    def targets(self, study_uid: str) -> tuple[str, ...] | None:
        """Where the results of a study go, besides this service; None for every target."""
        rule = self.rule(study_uid)
        if rule is None:
            return None
        return () if rule.ignore else rule.targets

    def _facts(self, study_uid: str) -> Facts:
        with self._database.read() as session:
            callers = session.scalar(select(Study.callers).where(Study.uid == study_uid)) or ()
        found = list(self._series(study_uid))
        by_key = {name: frozenset(_texts(found, keys)) for name, keys in KEYS.items()}
        return {"caller": frozenset(callers), **by_key}

    def _series(self, study_uid: str) -> list[Json]:
        """The attributes of one received instance of each series."""
        received = Instance.study_uid == study_uid, Instance.ours.is_(False)
        examples = select(func.min(Instance.sop_uid)).where(*received).group_by(Instance.series_uid)
        with self._database.read() as session:
            return list(session.scalars(select(Instance.attributes).where(Instance.sop_uid.in_(examples))))


def _texts(found: list[Json], keys: tuple[str, ...]) -> Iterator[str]:
    for attributes in found:
        for key in keys:
            yield from map(str, attributes.get(key, {}).get("Value", ()))

"""Reviews of predictions, all of one prediction together, so that a history is never cut."""

from collections.abc import Callable

from sqlalchemy import ColumnElement, delete, func, select, true
from sqlalchemy.orm import Session

from app.retention.policy import Item
from app.store.database import Database, Prediction, Review


class Reviews:
    """The reviews of every prediction.

    Args:
        database: Holds them.
    """

    name = "reviews"

    def __init__(self, database: Database) -> None:
        self._database = database

    def items(self) -> list[Item]:
        """One for each prediction that has reviews. Its age counts from the last review."""
        with self._database.read() as session:
            return self._found(session, true())

    def remove(self, item: Item, tell: Callable[[], None]) -> bool:
        """Delete the reviews of a prediction, unless that has happened or another one has come.

        Args:
            item: The prediction.
            tell: Called before anything is deleted.

        Returns:
            Whether they were deleted.
        """
        mine = Review.prediction == item.key
        with self._database.erase() as session:
            # Nobody adds a review meanwhile: who adds one holds the prediction's row.
            session.get(Prediction, item.key, with_for_update=True)
            if self._found(session, mine) != [item]:
                return False
            tell()
            session.execute(delete(Review).where(mine))
        return True

    def _found(self, session: Session, which: ColumnElement[bool]) -> list[Item]:
        columns = Review.prediction, Prediction.study_uid, func.max(Review.created), func.sum(Review.size)
        rows = select(*columns).join(Prediction, Prediction.id == Review.prediction).where(which)
        rows = rows.group_by(Review.prediction, Prediction.study_uid)
        # Nothing that the service still has to do needs them.
        return [Item(id_, study, stored, int(size), False) for id_, study, stored, size in session.execute(rows)]

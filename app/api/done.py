"""The prediction that a request names, for routes that need its answer."""

from flask import g
from werkzeug.exceptions import Conflict

from app.service.parts import service
from app.store.record import Record


def done(id: str, lacks: str) -> Record:
    """A prediction that is done. The request log names it.

    Args:
        id: Its id.
        lacks: What it doesn't have before, for the sentence.

    Raises:
        NotFound: There is no such prediction.
        Conflict: It isn't done.
    """
    record = service().store.read(id)
    g.prediction_id = id
    if record.status != "done":
        raise Conflict(f"This prediction is {record.status}; it has no {lacks}.")
    return record

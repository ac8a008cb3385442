"""Whether a data folder holds de-identified data only.

It says so itself, in the file `deidentified`, so that a variable that was forgotten or changed can't mix names into it.

The file holds the mode, and a pseudonym by which another key is noticed.
"""

from pathlib import Path

from sqlalchemy import select

from app.service.settings import Settings
from app.store.database import Database, Instance, Prediction
from app.store.disk.shared_folder import locked
from app.store.opening import StoreError
from data_prep.deidentify.pseudonyms import Pseudonyms
from data_prep.files import flush_folder

FILE = "deidentified"
# What the pseudonym in the file is made of.
PROBE = "the key of this folder"


def check_kept(settings: Settings, database: Database) -> None:
    """Compare what the settings want with what the folder holds. An empty folder gets what the settings want.

    Raises:
        StoreError: They contradict each other.
    """
    path, wanted = settings.data / FILE, _wanted(settings)
    with locked(settings.data):
        kept = path.read_text(encoding="ascii") if path.exists() else ""
        if kept == wanted:
            return
        if kept and not wanted:
            raise StoreError(
                "The data folder holds de-identified data only: set CRUCIATE_DEIDENTIFY and CRUCIATE_DEIDENTIFY_KEY as "
                "before, or use another data folder."
            )
        if kept or _is_used(database):
            raise StoreError(
                "CRUCIATE_DEIDENTIFY: the data folder holds data that isn't de-identified, or by another mode or key: "
                "start with an empty data folder."
            )
        _write(path, wanted)


def _wanted(settings: Settings) -> str:
    if settings.deidentify == "no":
        return ""
    return f"{settings.deidentify} {Pseudonyms(settings.deidentify_key.encode()).patient(PROBE)}\n"


def _is_used(database: Database) -> bool:
    with database.read() as session:
        return any(session.scalar(select(column).limit(1)) is not None for column in (Instance.digest, Prediction.id))


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(".new")
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="ascii")
    partial.rename(path)
    flush_folder(path.parent)

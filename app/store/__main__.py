"""Work on the store by hand. CRUCIATE_DATA and CRUCIATE_DATABASE name it, as for the service.

    python -m app.store check             counts what doesn't fit between the database and the data folder
    python -m app.store check --list      also the paths, relative to the data folder
    python -m app.store check --repair    also repairs it, and joins a folder and a database that don't belong together

Exit status 0 if all is well or repaired; 1 if something was found that isn't repaired; 2 if the store can't be opened.
"""

import argparse
import os
import sys
from pathlib import Path

from sqlalchemy import func, select

from app.audit import tells
from app.store.check import Findings, check, repair
from app.store.database import Database, Prediction
from app.store.keys import require
from app.store.opening import UMASK, StoreError, identity, join, open_alone, pair
from data_prep.names import print_any_name


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m app.store", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("check",))
    parser.add_argument("--list", action="store_true", help="print paths, too; they contain UIDs of studies")
    parser.add_argument("--repair", action="store_true", help="repair what is found")
    options = parser.parse_args(arguments)
    os.umask(UMASK)
    print_any_name()
    folder = Path(os.environ.get("CRUCIATE_DATA") or "var")
    try:
        if not folder.is_dir():
            raise StoreError(f"There is no data folder {folder}: set CRUCIATE_DATA.")
        database = open_alone(os.environ.get("CRUCIATE_DATABASE", ""), folder)
    except StoreError as error:
        print(error, file=sys.stderr)
        return 2
    with_paths = folder if options.list else None
    try:
        return _repaired(database, folder, with_paths) if options.repair else _checked(database, folder, with_paths)
    finally:
        database.close()


def _checked(database: Database, folder: Path, with_paths: Path | None) -> int:
    together = _belong_together(database, folder)
    if not together:
        print("The data folder and the database don't belong together.")
    found = check(database, folder)
    _print(found, with_paths)
    _print_expired(database)
    if together and not any(found.values()):
        print("All is well.")
        return 0
    return 1


def _repaired(database: Database, folder: Path, with_paths: Path | None) -> int:
    is_new = identity(database) is None
    if not _belong_together(database, folder):
        join(database, folder)
        print("The data folder and the database belong together from now on.")
        if is_new and tells(folder, "key created") is not False:
            require(database)
            print("API keys were lost with the former database: make new ones (python -m app.keys). Requests need one.")
    found = check(database, folder)
    _print(found, with_paths)
    done = repair(database, folder, found)
    print(f"{done.listed} files were listed, {done.aside} files or folders were set aside.")
    _print_expired(database)
    left = check(database, folder)
    if not any(left.values()):
        print("All is well.")
        return 0
    print("This isn't repaired. Files and predictions that are lost must be sent again, or their studies deleted:")
    _print(left, with_paths)
    return 1


def _print_expired(database: Database) -> None:
    """Say what isn't lost, but has expired (app/retention)."""
    columns = Prediction.pixels_expired, Prediction.maps_expired, Prediction.results_expired
    with database.read() as session:
        counts = [session.scalars(select(func.count()).where(column)).one() for column in columns]
    if any(counts):
        print("Expired, not lost: pixels of {} predictions, maps of {}, DICOM results of {}.".format(*counts))


def _belong_together(database: Database, folder: Path) -> bool:
    """Whether a service would start. Like a start, this gives a new or an early store its identity."""
    try:
        pair(database, folder)
    except StoreError:
        return False
    return True


def _print(found: Findings, with_paths: Path | None) -> None:
    """One line for each kind that was found, and the paths relative to `with_paths`; None prints no paths."""
    for kind, paths in found.items():
        if paths:
            print(f"{len(paths)} {kind}")
        if with_paths is not None:
            for path in paths:
                print(f"    {path.relative_to(with_paths).as_posix()}")


if __name__ == "__main__":
    sys.exit(main())

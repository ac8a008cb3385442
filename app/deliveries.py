"""Which DICOM results have reached their targets, and another try for those that haven't.

    python -m app.deliveries list --state dead
    python -m app.deliveries retry --target https://pacs/dicom-web

Give it the environment variables of the service. The service may run meanwhile; it does the tries.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence

from app.audit import account
from app.delivery.deliveries import DEAD, DELIVERED, WAITING, Deliveries
from app.delivery.stow_client import without_secrets
from app.service.command import run
from app.service.settings import Settings
from app.store.database import Database, Delivery
from app.store.job import written

# Rows that are in memory at once.
PAGE = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns exit status 2, after a sentence, for a bad setting or a database that can't be used."""
    given = _parser().parse_args(arguments)
    return run(lambda settings, database: _work(settings, database, given))


def _work(settings: Settings, database: Database, given: argparse.Namespace) -> None:
    try:
        deliveries = Deliveries(database, [without_secrets(url) for url in settings.targets], settings.data)
        if given.command == "retry":
            retried = deliveries.retry(given.state, given.prediction, given.target, user=account())
            print(f"{retried} will be tried again")
            if others := sum(row.target not in deliveries.targets for row in _all(deliveries, given)):
                print(f"{others} are for targets that CRUCIATE_TARGETS doesn't name here, and stay as they are")
        else:
            for row in _all(deliveries, given):
                print(_line(row))
    except BrokenPipeError:  # whoever reads the list has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m app.deliveries", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    shown = commands.add_parser("list", help="print one line for each delivery")
    shown.add_argument("--state", choices=(WAITING, DELIVERED, DEAD), help="only those in this state")
    again = commands.add_parser("retry", help="try again as soon as possible")
    again.add_argument(
        "--state",
        choices=(DEAD, WAITING),
        default=DEAD,
        help="dead: begin anew; waiting: try at once what is due later, as the next one of its tries",
    )
    for command in (shown, again):
        command.add_argument("--prediction", help="only those of this prediction")
        command.add_argument("--target", help="only those to this target, as the list names it")
    return parser


def _all(deliveries: Deliveries, given: argparse.Namespace) -> Iterator[Delivery]:
    last = None
    while page := deliveries.find(PAGE, given.state, given.prediction, given.target, last):
        yield from page
        last = page[-1].prediction, page[-1].target


def _line(row: Delivery) -> str:
    next_try = f"next try {written(row.due)}" if row.due is not None else ""
    parts = row.state, row.prediction, row.target, f"tries: {row.attempts}", next_try, row.outcome
    return "\t".join(part or "" for part in (*parts, *(["rejection note"] if row.note else [])))


if __name__ == "__main__":
    sys.exit(main())

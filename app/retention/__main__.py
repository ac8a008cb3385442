"""What would expire, and deleting it once. The service does this by itself if CRUCIATE_RETENTION is on.

    python -m app.retention                  counts what is over the limits CRUCIATE_KEEP_..., and deletes nothing
    python -m app.retention --apply          deletes it; each thing is a line of the audit trail
    python -m app.retention --trust-clock    the clock is right, although long ago somebody looked at it last

Give it the environment variables of the service, which may run meanwhile, and run it as the service's user. Exit status
0; 1 if something that is due couldn't be deleted; 2 for a bad setting or a store that can't be opened.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from app.audit import account
from app.delivery.deliveries import Deliveries
from app.delivery.stow_client import without_secrets
from app.retention.calendar import PAUSE_S, Calendar
from app.retention.of_settings import DAY_S, sweep_of
from app.retention.sweep import Found, Sweep, kinds
from app.service.command import run
from app.service.settings import Settings
from app.store.database import Database


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    parser = argparse.ArgumentParser(
        "python -m app.retention", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apply", action="store_true", help="delete what is due")
    parser.add_argument("--trust-clock", action="store_true", help="go by the clock, whatever it says")
    given = parser.parse_args(arguments)
    return run(lambda settings, database: _sweep(settings, database, given))


def _sweep(settings: Settings, database: Database, given: argparse.Namespace) -> int:
    calendar = Calendar(database)
    if given.trust_clock:
        calendar.trust_clock()
    now = calendar.advance()
    print(f"The time to go by is {datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC.")
    if calendar.behind_s() > PAUSE_S:
        print(
            f"The clock is {calendar.behind_s() / DAY_S:.1f} days ahead of it. Nothing was stored and nobody looked "
            "for so long, or the clock was set. If the clock is right, add --trust-clock."
        )
    deliveries = Deliveries(database, [without_secrets(url) for url in settings.targets], settings.data)
    sweep = sweep_of(settings, kinds(database, settings.data, deliveries), account())
    found = sweep.look(now)
    if not found:
        print("There are no limits: set CRUCIATE_KEEP_..._DAYS or CRUCIATE_KEEP_..._MB.")
    _print(found)
    return _apply(sweep, found) if given.apply else 0


def _print(found: Sequence[Found]) -> None:
    if found:
        print(f"{'':12}{'kept':>8}{'MB':>12}{'in work':>10}{'due: age':>10}{'size':>8}{'unfinished':>12}{'MB':>12}")
    for kind, items, due in found:
        reasons = [sum(one.reason == reason for one in due) for reason in ("age", "size", "unfinished")]
        print(
            f"{kind.name:12}{len(items):8}{sum(item.size for item in items) / 1e6:12.1f}"
            f"{sum(item.in_work for item in items):10}{reasons[0]:10}{reasons[1]:8}{reasons[2]:12}"
            f"{sum(one.item.size for one in due) / 1e6:12.1f}"
        )


def _apply(sweep: Sweep, found: Sequence[Found]) -> int:
    left = 0
    for kind, _, due in found:
        deleted = sweep.delete(kind, due)
        left += len(due) - len(deleted)
        print(f"{kind.name}: {len(deleted)} deleted, {sum(one.item.size for one in deleted) / 1e6:.1f} MB")
    if left:
        print(f"{left} couldn't be deleted: they are in use, or another process deletes, or the disk doesn't allow it.")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())

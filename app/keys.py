"""API keys of the service: make one, list them, revoke one.

    python -m app.keys create NAME --scopes read,predict --expires 2027-01-31
    python -m app.keys list
    python -m app.keys revoke NAME

Reads the same environment variables as the service. A service that is running knows a change within two seconds. Run
this as the service's user, so that the service can write to the files that are made.
"""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.audit import account, record
from app.service.command import run
from app.service.settings import Settings
from app.store.database import Database
from app.store.keys import SCOPES, KeyNameError, Scope, all_keys, create, revoke

# Days. The default: a forgotten key ends some day.
VALID_DAYS = 365
NEVER = "never"


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says. Returns 0, or 2 after a sentence on standard error."""
    given = _parser().parse_args(arguments)
    command: Callable[[Database, Settings, argparse.Namespace], None] = given.command
    return run(lambda settings, database: command(database, settings, given), KeyNameError)


def _create(database: Database, settings: Settings, given: argparse.Namespace) -> None:
    key = create(database, given.name, given.scopes, given.expires)
    _record(settings, "key created", given.name)
    print("This key is shown only now:", file=sys.stderr)
    print(key)


def _list(database: Database, settings: Settings, given: argparse.Namespace) -> None:
    now = datetime.now(UTC).timestamp()
    print(f"{'name':24}{'scopes':36}{'created':12}{'expires':12}state")
    for row in all_keys(database):
        expired = row.expires is not None and row.expires <= now
        state = "revoked" if row.revoked is not None else "expired" if expired else "valid"
        print(f"{row.name:24}{row.scopes:36}{_day(row.created):12}{_last_day(row.expires):12}{state}")


def _revoke(database: Database, settings: Settings, given: argparse.Namespace) -> None:
    revoke(database, given.name)
    _record(settings, "key revoked", given.name)
    print(f"{given.name} is revoked. A running service refuses it within two seconds.")


def _record(settings: Settings, what: str, name: str) -> None:
    record(settings.data, what, "done", user=account(), subject=name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app.keys", description="API keys of the service.")
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("create", help="make a key; it is shown once")
    making.add_argument("name", help="who uses it, such as pacs or viewer")
    making.add_argument("--scopes", type=_scopes, required=True, help=f"comma-separated: {', '.join(SCOPES)}")
    making.add_argument(
        "--expires",
        type=_end_of,
        default=(datetime.now(UTC) + timedelta(days=VALID_DAYS)).strftime("%Y-%m-%d"),
        help=f"its last day (UTC), as 2027-01-31, or {NEVER}; default: in a year",
    )
    making.set_defaults(command=_create)
    commands.add_parser("list", help="show all keys, without the keys themselves").set_defaults(command=_list)
    ending = commands.add_parser("revoke", help="end a key")
    ending.add_argument("name")
    ending.set_defaults(command=_revoke)
    return parser


def _scopes(text: str) -> frozenset[Scope]:
    named = {part.strip() for part in text.split(",")}
    if not named <= set(SCOPES):
        raise argparse.ArgumentTypeError(f"scopes are {', '.join(SCOPES)}")
    return frozenset(scope for scope in SCOPES if scope in named)


def _end_of(day: str) -> float | None:
    """The end of a day in seconds since 1970; None for `never`."""
    if day == NEVER:
        return None
    try:
        end = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"a day like 2027-01-31, or {NEVER}") from None
    if end <= datetime.now(UTC):
        raise argparse.ArgumentTypeError("this day is over")
    return end.timestamp()


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _last_day(expires: float | None) -> str:
    return NEVER if expires is None else _day(expires - 1)


if __name__ == "__main__":
    sys.exit(main())

"""Commands with subcommands: mistakes become one sentence and exit status 2."""

import argparse
import sys
from collections.abc import Sequence

from data_prep.names import print_any_name


def run_subcommand(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    """Run what the arguments ask for.

    Args:
        parser: sets `command`, the subcommand's name, and `run`, which takes the options and gives the exit status.
        arguments: the words after the command; None for those of this process.

    Returns:
        The exit status.
    """
    options = parser.parse_args(arguments)
    print_any_name()
    try:
        status: int = options.run(options)
    except (ValueError, OSError) as error:  # every InputError is a ValueError
        print(f"{parser.prog} {options.command}: {error}", file=sys.stderr)
        return 2
    return status

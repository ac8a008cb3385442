"""Check the audit trail: `python -m app.audit verify`. Reads `CRUCIATE_DATA`, as the service does.

Exit status 0: the chain is whole. 1: it breaks somewhere.
"""

import argparse
import os
import sys
from pathlib import Path

from app.audit.verify import verify


def main() -> int:
    """Print what the check found, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.audit", description="The audit trail in CRUCIATE_DATA.")
    parser.add_subparsers(required=True).add_parser("verify", help="say whether and where its chain breaks")
    parser.parse_args()
    # The default is the one of `Settings.data`. Jobs write to the audit trail, too, so it can't import the settings.
    verdict = verify(Path(os.environ.get("CRUCIATE_DATA") or "var"))
    print(f"{verdict.lines} lines; sha256 of the last one: {verdict.last}")
    for fault in verdict.faults:
        print(fault)
    print("The chain is broken." if verdict.faults else "The chain is whole.")
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())

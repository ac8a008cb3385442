"""Sends mutants of DICOM files and zips to a service of its own, and says what came back and what it cost.

python -m tests.app.mutants --count 5000 --seed 1
python -m tests.app.mutants --seed 1 --only 4711 --out mutant.bin    writes the body of one of them
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.app.mutants.campaign import campaign
from tests.app.mutants.sending import mutant
from tests.app.mutants.sources import sources


def main() -> int:
    """Exit status 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000, help="how many mutants (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="other mutants for another seed (%(default)s)")
    parser.add_argument("--only", type=int, help="the number of a mutant that is written instead")
    parser.add_argument("--out", type=Path, default=Path("mutant.bin"), help="where it is written (%(default)s)")
    given = parser.parse_args()
    if given.only is not None:
        made = mutant(given.seed, given.only, sources(), given.only)
        given.out.write_bytes(made.content)
        print(made)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        outcome = campaign(given.count, given.seed, Path(scratch))
    print(outcome.text())
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())

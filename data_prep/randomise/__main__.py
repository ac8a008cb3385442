"""`python -m data_prep.randomise`: write randomised samples and their table of masks, for `training.segment`.

python -m data_prep.randomise --out anywhere --samples 12000
python -m training.segment localiser-anywhere --masks anywhere/masks.csv --out bundles/localiser-anywhere
"""

import argparse
from pathlib import Path

from data_prep.phantom.tissues import STRUCTURES
from data_prep.randomise.written import Written
from data_prep.tables.exams import Split
from data_prep.workers import Workers


def main() -> None:
    """Read the command line and write the samples."""
    parser = argparse.ArgumentParser(prog="python -m data_prep.randomise", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for masks.csv and the samples")
    parser.add_argument("--samples", type=int, default=12000, help="number of samples to learn from")
    parser.add_argument("--val", type=int, default=960, help="number of samples to choose the epoch on")
    parser.add_argument("--test", type=int, default=960, help="number of samples to measure on")
    parser.add_argument("--knees", type=int, default=160, help="number of label maps to learn from; an eighth each to "
                        "choose and to measure on")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same samples")
    parser.add_argument("--size", type=int, default=128, help="rows and columns of a sample")
    parser.add_argument("--maps", type=Path, help="folder of the label maps (default: OUT/maps)")
    parser.add_argument(
        "--structures", nargs="+", default=list(STRUCTURES)[:6], metavar="NAME", help=f"out of {', '.join(STRUCTURES)}"
    )
    Workers.add_options(parser)
    options = parser.parse_args()
    try:
        written = Written(
            options.out, options.maps or options.out / "maps", tuple(options.structures), options.size, options.seed
        )
        counts: dict[Split, int] = {"train": options.samples, "val": options.val, "test": options.test}
        table = written.write(counts, options.knees, Workers.from_options(options))
    except ValueError as error:
        parser.error(str(error))
    print(f"the table of masks is {table}")


if __name__ == "__main__":
    main()

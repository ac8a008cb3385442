"""`python -m models.segment`: use a trained segmenter.

    propose BUNDLE --images PATH ... --out FOLDER    masks for images that nobody has annotated, and their order
    predict BUNDLE IMAGE --out FOLDER                one image: mask, picture, and where the peak and the box are

A mistake in the data or on the command line gives one sentence and exit status 2.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_prep.dicom.quiet import ignore_pydicom_warnings
from data_prep.masks.table import read_masks
from data_prep.subcommands import run_subcommand
from models.segment.asked import asked, images, without
from models.segment.predict import predict
from models.segment.propose import MASKS, UNCERTAINTY, propose
from models.segment.segmenter import Segmenter


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    ignore_pydicom_warnings()
    return run_subcommand(_parser(), arguments)


def _propose(options: argparse.Namespace) -> int:
    rows = asked(options.images)
    if options.annotated:
        rows = without(rows, read_masks(options.annotated))
    if not rows:
        raise ValueError("every image is annotated already")
    proposals = propose(Segmenter.load(options.bundle), options.bundle.name, rows, options.out)
    empty = sum(not one.found for one in proposals)
    print(f"{len(proposals) - empty} of {len(proposals)} images have a proposed mask in {options.out / MASKS}")
    print(f"the order in which to correct them is in {options.out / UNCERTAINTY}")
    print('write "yes" in column used of each row that you have corrected; the others are left out of training')
    return 0


def _predict(options: argparse.Namespace) -> int:
    (row,) = asked([options.image])
    (image,) = images([row])
    print(*predict(Segmenter.load(options.bundle), options.bundle.name, image, options.out), sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.segment", description="Use a trained segmenter.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("propose", help="masks for images that nobody has annotated yet")
    one.add_argument("bundle", type=Path, help="the segmenter's bundle")
    one.add_argument(
        "--images",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="pictures, arrays, DICOM folders or zips, a folder of pictures, or a table of exams",
    )
    one.add_argument("--annotated", type=Path, metavar="TABLE", help="leave out what this table of masks has")
    one.add_argument("--out", type=Path, required=True, help="the folder of masks and tables")
    one.set_defaults(run=_propose)
    one = commands.add_parser("predict", help="one picture, array or DICOM series")
    one.add_argument("bundle", type=Path, help="the segmenter's bundle")
    one.add_argument("image", type=Path)
    one.add_argument("--out", type=Path, required=True, help="the folder of the mask")
    one.set_defaults(run=_predict)
    return parser


if __name__ == "__main__":
    sys.exit(main())

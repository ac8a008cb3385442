"""Evaluate a bundle on exams with known truth. It predicts in the same way as the service.

    python -m training.evaluate BUNDLE --exams exams.csv [--split test] [--out figures.json]

Figures are fair only on exams that had no influence on the bundle. Exams that the bundle has learnt from or was chosen
on are therefore left out, also under another id, and the output says how many.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from data_prep.dicom.quiet import ignore_pydicom_warnings
from data_prep.tables.exams import read_exams
from training.evaluation.report import of_split, report


def _check_writable(out: Path) -> None:
    """Make the file's folder. Raises OSError or ValueError, before anything is computed, if it can't be written."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder; name a file")


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of a bundle on exams with known truth.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--exams", type=Path, required=True)
    parser.add_argument("--split", default="test", help="the split to evaluate on; 'all' for every exam of the table")
    parser.add_argument("--out", type=Path, help="write the figures and every exam's prediction as JSON")
    arguments = parser.parse_args()

    ignore_pydicom_warnings()
    try:
        if arguments.out:
            _check_writable(arguments.out)
        exams = of_split(read_exams(arguments.exams), arguments.split, arguments.exams.name)
        results, rows = report(arguments.bundle, exams, f"split {arguments.split}, of {arguments.exams.name}")
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(*results, sep="\n")
    if arguments.out:
        content = {"figures": [asdict(result) for result in results], "exams": [asdict(row) for row in rows]}
        arguments.out.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        print(f"the figures and the predictions for {len(rows)} exams are in {arguments.out}")


if __name__ == "__main__":
    main()

"""Ask a bundle about exams whose truth is known, by the very path that the service takes.

    python -m training.evaluate BUNDLE --exams exams.csv [--split test] [--out figures.json]

Figures mean something only on exams that no choice was made on: those that the bundle has learnt from or was chosen on
are left out, under whatever id, with a word.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from data_prep.dicom.quiet import ignore_pydicom_warnings
from data_prep.tables.exams import read_exams
from training.evaluation.report import of_split, report


def _check_writable(out: Path) -> None:
    """OSError or ValueError for a file that can't be written, before anything is computed; its folder is made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder; name a file")


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of a bundle on exams with known truth.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--exams", type=Path, required=True)
    parser.add_argument("--split", default="test", help="the split to judge on; 'all' for every exam of the table")
    parser.add_argument("--out", type=Path, help="write figures and every exam's answer as JSON")
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
        print(f"figures and the answers of {len(rows)} exams are in {arguments.out}")


if __name__ == "__main__":
    main()

"""Train a segmenter on annotated images and write its bundle.

    python -m training.segment PRESET --masks masks.csv --out bundles/localiser-NAME [--set key=value ...]
    python -m training.segment PRESET --masks more.csv --continue bundles/localiser-NAME --out bundles/localiser-NEXT

`train_segmenter` shows all steps. The same preset, masks and library versions on the same kind of CPU give the same
bundle, bit for bit. docs/segmentation.md says the whole way from six annotated images.
"""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_prep.masks.check import check_masks
from data_prep.masks.table import by_exam, read_masks
from models.files.manifest import MANIFEST, check_free, sha256
from models.seen import Seen
from models.segment.segmenter import Segmenter
from training.config.place import Place
from training.config.segmentation import SegmentConfig, load_segment_config
from training.data.mask_splits import MaskExam, mask_exams, of_split, with_splits
from training.evaluation.segmentation import mask_figures
from training.runs.bundling import commit, today
from training.runs.faults import faults_as_sentences
from training.runs.segmenting import (
    LESS_MEMORY,
    add_options,
    learn_masks,
    measured_masks,
    metrics_of,
    place_of,
    splits_told,
    trained_on,
)


@dataclass(frozen=True, eq=False)
class Earlier:
    """A segmenter to go on from.

    Attributes:
        segmenter: the segmenter.
        seen: the exams that it, and those that it went on from, have seen.
        sha256: the digest of its manifest.
        name: of its folder.
    """

    segmenter: Segmenter
    seen: tuple[Seen, ...]
    sha256: str
    name: str

    @classmethod
    def load(cls, folder: Path, config: SegmentConfig) -> "Earlier":
        """Load a bundle. ValueError if its network, its network input or its structures aren't the preset's."""
        segmenter = Segmenter.load(folder)
        pairs = {
            "network": (segmenter.architecture, config.network),
            "network input": (segmenter.recipe, config.inputs),
            "list of structures": (segmenter.structures, config.structures),
        }
        for what, (there, here) in pairs.items():
            if there != here:
                raise ValueError(f"{folder.name} has another {what} than the preset: {there}, not {here}")
        seen = tuple(Seen.from_json(one) for one in segmenter.provenance.get("seen", []))
        return cls(segmenter, seen, sha256(folder / MANIFEST), folder.name)


def train_segmenter(
    config: SegmentConfig,
    text: str,
    exams: Sequence[MaskExam],
    out: Path,
    place: Place,
    provenance: dict[str, object],
    earlier: Earlier | None = None,
) -> Segmenter:
    """Fit on split "train", choose epoch and threshold on "val", measure on "test", write the bundle.

    Args:
        config: the configuration.
        text: its TOML text, for the bundle.
        exams: the exams; if none has a split, some are taken for validation.
        out: the bundle's folder. A bundle that is there is replaced when the new one is complete.
        place: folders and hardware.
        provenance: `trained_on` and `command`.
        earlier: a segmenter to go on from.

    Raises:
        ValueError: the exams can't be used.
    """
    before = earlier.seen if earlier else ()
    exams = with_splits(exams, config.seed, before)
    learnt = learn_masks(config, exams, place, earlier.segmenter if earlier else None)
    rows, left_out = measured_masks(learnt.segmenter, of_split(exams, "test"), (*before, learnt.seen))
    aside = f" (without {left_out} that it has learnt from or was chosen on)" if left_out else ""
    measured_on = f"exams of split test, never used for a choice{aside}"
    figures = mask_figures(rows, measured_on)
    nothing = "no figures: they need unseen exams of at least two patients in split test"
    print("\n".join(map(str, figures)) or nothing)
    segmenter = replace(
        learnt.segmenter,
        train_toml=text,
        metrics=metrics_of(rows, measured_on, learnt.threshold),
        provenance={
            **provenance,
            "trained_at": today(),
            "exams": splits_told(exams),
            "commit": commit(),
            **learnt.fitted.notes,
            "seen": [one.to_json() for one in (*before, learnt.seen)],
            **({"continued_from": {"name": earlier.name, "sha256": earlier.sha256}} if earlier else {}),
        },
    )
    segmenter.save(out)
    learnt.fitted.forget()
    return segmenter


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train a segmenter on annotated images and write a bundle.")
    parser.add_argument("preset", help="a name in training/config/segmenters or a TOML file")
    parser.add_argument(
        "--masks", type=Path, nargs="+", required=True, metavar="TABLE", help="tables of masks, see docs/masks.md"
    )
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the preset")
    parser.add_argument(
        "--continue", dest="earlier", type=Path, metavar="BUNDLE", help="go on from this segmenter's weights"
    )
    parser.add_argument("--force", action="store_true", help="replace the bundle that is at OUT")
    add_options(parser)
    options = parser.parse_args(arguments)
    with faults_as_sentences(parser, LESS_MEMORY):
        check_free(options.out, options.force)
        config, text = load_segment_config(options.preset, options.set)
        earlier = Earlier.load(options.earlier, config) if options.earlier else None
        place = place_of(options)
        rows = [row for table in options.masks for row in read_masks(table)]
        check_masks(rows, place.workers).check()
        exams = mask_exams(by_exam(rows))
        provenance: dict[str, object] = {
            "trained_on": trained_on(exams, options.masks[0]),
            "command": _command(options),
        }
        train_segmenter(config, text, exams, options.out, place, provenance, earlier)
        print(f"the segmenter is in {options.out}")
        print(f"draw masks with it:  python -m models.segment propose {shlex.quote(str(options.out))} --help")


def _command(options: argparse.Namespace) -> str:
    """The command line without places: the same for the same bundle."""
    words = ["python", "-m", "training.segment", options.preset]
    words += [word for change in options.set for word in ("--set", change)]
    words += ["--continue", options.earlier.name] if options.earlier else []
    words += ["--mixed-precision"] if options.mixed_precision else []
    return shlex.join(words)


if __name__ == "__main__":
    main()

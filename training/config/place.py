"""Where and on what hardware a run happens: folders, processors, precision. What is learnt is in the preset."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from data_prep.prepare.cache import Around
from data_prep.workers import Workers
from models.files.manifest import LOCALISER
from models.segment.localiser import Localiser
from models.segment.network_localiser import NetworkLocaliser


@dataclass(frozen=True)
class Place:
    """Where and on what hardware a run happens.

    Attributes:
        inputs: folder of the exams' network inputs.
        run: folder of the files that a killed run needs to continue.
        workers: the processes that work in parallel.
        board: TensorBoard's folder, if any.
        mixed_precision: float16 arithmetic on float32 weights, faster on recent GPUs.
        devices: the number of GPUs that share each batch.
        localiser: finds the ligament in each exam, so that the block is cut around it; the bundle gets a copy.
    """

    inputs: Path
    run: Path
    workers: Workers = field(default_factory=Workers)
    board: Path | None = None
    mixed_precision: bool = False
    devices: int = 1
    localiser: Localiser | None = None

    @property
    def around(self) -> Around:
        """What every block is cut around, except a warm-up's crops."""
        return self.localiser or "centre"

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """Add the options that `from_options` reads, except `--exams` and `--out`."""
        parser.add_argument(
            "--inputs", type=Path, help="folder of network inputs (default: `inputs` beside the exam table)"
        )
        parser.add_argument(
            "--run", type=Path, help="folder of the files that a killed run needs to continue (default: OUT.run)"
        )
        parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write curves and pictures of each epoch")
        parser.add_argument("--mixed-precision", action="store_true", help="float16 arithmetic, for recent GPUs")
        parser.add_argument(
            "--localiser", type=Path, metavar="BUNDLE", help="the segmenter that finds the ligament, to cut around it"
        )
        parser.add_argument("--devices", type=int, default=1, metavar="N", help="share each batch among N GPUs")
        Workers.add_options(parser)

    @staticmethod
    def words(mixed_precision: bool, localised: bool) -> list[str]:
        """The options that change what is learnt, for a bundle's command line; its localiser is in the bundle."""
        return ["--mixed-precision"] * mixed_precision + ["--localiser", LOCALISER] * localised

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Self:
        """The place that the command line describes.

        Raises:
            ValueError: The localiser can't be used.
        """
        return cls(
            inputs=options.inputs or options.exams.parent / "inputs",
            run=options.run or options.out.parent / f"{options.out.name}.run",
            workers=Workers.from_options(options),
            board=options.tensorboard,
            mixed_precision=options.mixed_precision,
            devices=options.devices,
            localiser=NetworkLocaliser.load(options.localiser) if options.localiser else None,
        )

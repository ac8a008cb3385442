"""A segmenter: a trained network with all that a mask needs, from source voxels to labels in source voxels.

Its bundle is a folder with everything that a mask needs, and digests to verify it:

    manifest.json          architecture, structures, threshold, plausible shapes, provenance, versions, digests
    recipe.json            how its input is made
    segmenter.npz          weights only: the network is built from code, nothing is unpickled
    golden.json            probabilities on some slices of the golden volume, computed again when it is loaded
    metrics.json, train.toml

What it shares with a classifier's bundle is in `models/files/`.
"""

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from pydantic import TypeAdapter

from data_prep.files import replacing_folder
from data_prep.masks.structures import STRUCTURES
from data_prep.network_input.crop import Spacing
from data_prep.volume import FloatArray
from models.files.golden import GOLDEN, check_golden, golden_volume
from models.files.manifest import MANIFEST, BundleError, check_free, digests, read_json, read_manifest, write_json
from models.files.versions import versions
from models.segment.networks.architecture import Architecture
from models.segment.networks.registry import build
from models.segment.plausible import Plausible
from models.segment.recipe import SegmentRecipe, inputs
from models.segment.segmented import Labels, Segmented
from models.segment.windows import probabilities

SCHEMA, SCHEMAS_READ = 1, (1,)
# In the manifest of a classifier's bundle, "route" stands in its place.
KIND = "segmenter"
RECIPE, WEIGHTS, METRICS, PRESET = "recipe.json", "segmenter.npz", "metrics.json", "train.toml"
# What the manifest says besides the provenance.
OURS = frozenset({"schema", "kind", "architecture", "structures", "threshold", "plausible", "files"})
# Slices of the golden volume, and every how many rows and columns of the answer are compared: few, as it takes time.
GOLDEN_SLICES, GOLDEN_STEPS = slice(6, 10), 8


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A trained network with its bundle.

    Attributes:
        architecture: How the network is built.
        recipe: How its input is made.
        structures: The names of its classes from 1 on; 0 is the background.
        network: Logits `[B, (S,) H, W, classes]`.
        threshold: The probability from which on a voxel belongs to a structure.
        plausible: The shapes of the ligament seen in training; None if they aren't known.
        provenance: `trained_on`, `trained_at`, `exams`, `seed`, `commit`, `command`, as in a bundle of a classifier.
        metrics: The content of `metrics.json`.
        train_toml: The preset, as text.

    Raises:
        ValueError: If these don't fit each other.
    """

    architecture: Architecture
    recipe: SegmentRecipe
    structures: tuple[str, ...]
    network: keras.Model
    threshold: float = 0.5
    plausible: Plausible | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    train_toml: str = ""

    def __post_init__(self) -> None:
        if self.architecture.classes != 1 + len(self.structures):
            classes, names = self.architecture.classes, ", ".join(self.structures)
            raise ValueError(f"a network of {classes} classes (background included) can't know {names}")
        if self.architecture.channels != self.recipe.channels:
            channels, made = self.architecture.channels, self.recipe.channels
            raise ValueError(f"the network has {channels} input channels, but its recipe makes {made}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"the threshold must be between 0 and 1, not {self.threshold}")
        self.architecture.check_size(self.recipe.recipe.size)

    @cached_property
    def sha256(self) -> str:
        """Digest of everything that its answers depend on; the same after saving and loading."""
        sha = hashlib.sha256(repr((self.architecture, self.recipe, self.structures, self.threshold)).encode())
        for weight in self.network.get_weights():
            sha.update(np.ascontiguousarray(weight).data)
        return sha.hexdigest()

    def probabilities(self, voxels: FloatArray, spacing_mm: Spacing | None) -> Segmented:
        """The network's probabilities, on its own grid.

        Args:
            voxels: Float32 `[S, R, C]`.
            spacing_mm: Distance between neighbouring slices, rows and columns; None if the pixel size isn't known.

        Raises:
            UnsuitableStudy: The network's input would have too many pixels.
        """
        given, footprint = inputs(voxels, spacing_mm, self.recipe)
        return Segmented(probabilities(self.network, self.architecture, given), footprint)

    def labels(self, voxels: FloatArray, spacing_mm: Spacing | None) -> Labels:
        """Cleaned labels in the volume's voxels.

        Args:
            voxels: Float32 `[S, R, C]`.
            spacing_mm: As for `probabilities`.

        Returns:
            `[S, R, C]`: 0 for the background, otherwise 1 + the index into `structures`.
        """
        found = self.probabilities(voxels, spacing_mm)
        return found.labels(self.structures, self.threshold, spacing_mm)

    def save(self, folder: Path) -> None:
        """Write the bundle beside `folder`, then move it there in one step. A bundle that is there is replaced.

        Raises:
            BundleError: If the folder holds anything that isn't a bundle (`check_free`).
        """
        check_free(folder, replace=True)
        with replacing_folder(folder) as new:
            self.write_files(new)

    def write_files(self, folder: Path) -> None:
        """Write the bundle's files into an empty folder. A loaded segmenter gives the files that it was loaded from."""
        weights = {weight.path: np.asarray(weight) for weight in self.network.weights}
        np.savez(folder / WEIGHTS, allow_pickle=False, **weights)
        write_json(folder / RECIPE, asdict(self.recipe))
        write_json(folder / METRICS, self.metrics)
        (folder / PRESET).write_text(self.train_toml, encoding="utf-8")
        write_json(folder / GOLDEN, {"probabilities": self._golden()})
        manifest = {
            "schema": SCHEMA,
            "kind": KIND,
            "architecture": asdict(self.architecture),
            "structures": self.structures,
            "threshold": self.threshold,
            "plausible": asdict(self.plausible) if self.plausible else None,
            "research_use_only": True,
            "backend": keras.backend.backend(),
            "versions": versions(),
            **self.provenance,
        }
        write_json(folder / MANIFEST, manifest | {"files": digests(folder)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load and check a bundle.

        Raises:
            BundleError: If the folder can't be used as a segmenter's bundle; the message gives the reason.
        """
        manifest = read_manifest(folder, SCHEMAS_READ)
        if manifest.get("kind") != KIND:
            raise BundleError(f"{folder.name}: its manifest.json isn't that of a segmenter")
        try:
            segmenter = cls._rebuilt(folder, manifest)
        except (KeyError, TypeError, ValueError, OSError) as error:  # pydantic's ValidationError is a ValueError
            raise BundleError(f"{folder.name}: can't be rebuilt: {error}") from error
        check_golden(folder, "probabilities", segmenter._golden())
        return segmenter

    @classmethod
    def _rebuilt(cls, folder: Path, manifest: dict[str, Any]) -> Self:
        if unknown := set(manifest["structures"]) - set(STRUCTURES):
            raise ValueError(f"unknown structures: {', '.join(sorted(unknown))}")
        architecture = TypeAdapter(Architecture).validate_python(manifest["architecture"])
        network = build(architecture)
        with np.load(folder / WEIGHTS, allow_pickle=False) as weights:  # KeyError and ValueError if one doesn't fit
            network.set_weights([weights[weight.path] for weight in network.weights])
        return cls(
            architecture=architecture,
            recipe=TypeAdapter(SegmentRecipe).validate_python(read_json(folder / RECIPE)),
            structures=tuple(manifest["structures"]),
            network=network,
            threshold=TypeAdapter(float).validate_python(manifest["threshold"]),
            plausible=TypeAdapter(Plausible | None).validate_python(manifest["plausible"]),
            provenance={name: value for name, value in manifest.items() if name not in OURS},
            metrics=read_json(folder / METRICS),
            train_toml=(folder / PRESET).read_text(encoding="utf-8"),
        )

    def _golden(self) -> list[Any]:
        volume = golden_volume()
        found = self.probabilities(volume.voxels[GOLDEN_SLICES], volume.spacing_mm).probabilities
        few: list[Any] = found[..., ::GOLDEN_STEPS, ::GOLDEN_STEPS].astype(float).round(6).tolist()
        return few

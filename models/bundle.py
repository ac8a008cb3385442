"""A bundle: a folder that holds everything a prediction needs, and digests to verify it.

Loading checks every file's digest, rebuilds the network from code and recomputes the logits of the golden volume.
Nothing is unpickled and nothing is guessed: a bundle that doesn't fit is refused.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
from pydantic import TypeAdapter, ValidationError

from data_prep.files import replacing_folder
from data_prep.labels import SCHEMES, LabelScheme
from data_prep.network_input.crop import crop
from data_prep.network_input.mask_channel import with_mask
from data_prep.network_input.recipe import Recipe
from data_prep.notice import Notice
from models.bundle_files import COLOUR_SCALE, OPERATING_POINT, write_measured
from models.calibration import Calibration
from models.colour_scale import ColourScale
from models.files.golden import GOLDEN, check_golden, golden_volume
from models.files.manifest import (
    LOCALISER,
    MANIFEST,
    BundleError,
    check_free,
    digests,
    read_json,
    read_manifest,
    sha256,
    write_json,
)
from models.files.versions import versions
from models.model_card import model_card
from models.operating_point import OperatingPoint
from models.routes.classifier import ExamClassifier
from models.routes.ensemble import Ensemble
from models.routes.registry import ROUTES
from models.seen import Seen
from models.segment.localiser import LOCALISERS, Localiser

# Schema 2 adds thresholds to the colour scale, and the operating point; a bundle of schema 1 has neither.
SCHEMA, SCHEMAS_READ = 2, (1, 2)
# The routes that a bundle can hold.
CLASSIFIERS: dict[str, type[ExamClassifier]] = {**ROUTES, "ensemble": Ensemble}
EXAMS = "exams.json"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A loaded bundle.

    Attributes:
        name: The folder's name.
        sha256: Digest of the manifest, which holds the digest of every other file.
        manifest: `manifest.json`.
        scheme: The classes.
        recipe: How network input is made.
        calibration: From logits to probabilities.
        metrics: `metrics.json`.
        model_card: `MODEL_CARD.md`.
        classifier: The network.
        colour_scale: How bright heatmaps are; None if the bundle has no colour scale.
        operating_point: From which probability on a knee is positive; None if the bundle has no operating point.
        seen: The exams it was made from; None for a bundle of an earlier version.
        localiser: Finds the box that the crop is centred on; None if the crop is centred on the volume.
    """

    name: str
    sha256: str
    manifest: dict[str, Any]
    scheme: LabelScheme
    recipe: Recipe
    calibration: Calibration
    metrics: dict[str, Any]
    model_card: str
    classifier: ExamClassifier
    colour_scale: ColourScale | None = None
    seen: Seen | None = None
    localiser: Localiser | None = None
    operating_point: OperatingPoint | None = None

    def notices(self) -> tuple[Notice, ...]:
        """The notices that every answer of this bundle carries."""
        notices = []
        if self.manifest["trained_on"] == "synthetic":
            message = "This model has seen synthetic knees only. Its answers on real knees mean nothing."
            notices.append(Notice("synthetic-training", message))
        if doubt := self.calibration.doubt:
            notices.append(Notice("not-calibrated", f"The probabilities aren't calibrated: {doubt}."))
        return (*notices, *(Notice(**notice) for notice in self.manifest.get("notices", ())))


def write_bundle(
    folder: Path,
    classifier: ExamClassifier,
    route: str,
    recipe: Recipe,
    calibration: Calibration,
    metrics: dict[str, Any],
    provenance: dict[str, Any],
    train_toml: str,
    colour_scale: ColourScale | None = None,
    seen: Seen | None = None,
    localiser: Localiser | None = None,
    operating_point: OperatingPoint | None = None,
) -> None:
    """Write a bundle beside `folder`, then move it to `folder` in one step. A bundle that is already there is replaced.

    Args:
        folder: The bundle's folder.
        classifier: A trained classifier.
        route: Its name in `CLASSIFIERS`.
        recipe: How its network input was made.
        calibration: From its logits to probabilities.
        metrics: The content of `metrics.json`.
        provenance: `trained_on` ("synthetic" or the names of data sets), `trained_at` (date), `exams`, `seed`,
            `commit`, `command`; and `notices`, each a dictionary, that every answer shall carry.
        train_toml: The preset, as text.
        colour_scale: How bright heatmaps are.
        seen: The exams that the bundle was made from.
        localiser: Finds the box that the crop is centred on.
        operating_point: From which probability on a knee is positive.

    Raises:
        BundleError: If the folder holds anything that isn't a bundle (`check_free`).
    """
    check_free(folder, replace=True)
    with replacing_folder(folder) as new:
        classifier.save(new)
        if localiser:
            (new / LOCALISER).mkdir()
            localiser.save(new / LOCALISER)
        if seen:
            write_json(new / EXAMS, seen.to_json())
        write_json(new / "recipe.json", asdict(recipe))
        write_json(new / "labels.json", {"scheme": classifier.scheme.name, "classes": classifier.scheme.classes})
        write_json(new / "calibration.json", asdict(calibration))
        write_json(new / "metrics.json", metrics)
        write_measured(new, colour_scale, operating_point)
        (new / "train.toml").write_text(train_toml, encoding="utf-8")
        write_json(new / GOLDEN, {"logits": _golden_logits(classifier, recipe)})
        manifest: dict[str, Any] = {
            "schema": SCHEMA,
            "route": route,
            "architecture": classifier.architecture(),
            "scheme": classifier.scheme.name,
            "research_use_only": True,
            **provenance,
            **({"localiser": localiser.kind} if localiser else {}),
            "backend": keras.backend.backend(),
            "versions": versions(),
        }
        point = asdict(operating_point) if operating_point else None
        card = model_card(folder.name, manifest, asdict(recipe), asdict(calibration), metrics, point)
        (new / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        write_json(new / MANIFEST, manifest | {"files": digests(new)})


def load_bundle(folder: Path) -> Bundle:
    """Load and check a bundle.

    Raises:
        BundleError: If the folder can't be used as a bundle; the message gives the reason.
    """
    manifest = _checked_manifest(folder)
    scheme = SCHEMES[manifest["scheme"]]
    try:
        recipe = TypeAdapter(Recipe).validate_python(read_json(folder / "recipe.json"))
        calibration = TypeAdapter(Calibration).validate_python(read_json(folder / "calibration.json"))
        classifier = CLASSIFIERS[manifest["route"]].from_architecture(manifest["architecture"], scheme, recipe)
        classifier.load(folder)
        colour_scale = _colour_scale(folder, scheme) if COLOUR_SCALE in manifest["files"] else None
        operating_point = _operating_point(folder) if OPERATING_POINT in manifest["files"] else None
        seen = Seen.from_json(read_json(folder / EXAMS)) if EXAMS in manifest["files"] else None
        localiser = LOCALISERS[manifest["localiser"]].load(folder / LOCALISER) if "localiser" in manifest else None
        if recipe.mask_channel and not localiser:
            raise ValueError("its network needs the mask of a localiser, but it has none")
        [Notice(**notice) for notice in manifest.get("notices", ())]
    except (KeyError, TypeError, ValidationError, ValueError, OSError) as error:
        raise BundleError(f"{folder.name}: can't be rebuilt: {error}") from error
    check_golden(folder, "logits", _golden_logits(classifier, recipe))
    return Bundle(
        name=folder.name,
        sha256=sha256(folder / MANIFEST),
        manifest=manifest,
        scheme=scheme,
        recipe=recipe,
        calibration=calibration,
        metrics=read_json(folder / "metrics.json"),
        model_card=(folder / "MODEL_CARD.md").read_text(encoding="utf-8"),
        classifier=classifier,
        colour_scale=colour_scale,
        seen=seen,
        localiser=localiser,
        operating_point=operating_point,
    )


def _colour_scale(folder: Path, scheme: LabelScheme) -> ColourScale:
    scale = TypeAdapter(ColourScale).validate_python(read_json(folder / COLOUR_SCALE))
    for name in scale.full_brightness:
        scheme.index(name)
    return scale


def _operating_point(folder: Path) -> OperatingPoint:
    return TypeAdapter(OperatingPoint).validate_python(read_json(folder / OPERATING_POINT))


def _golden_logits(classifier: ExamClassifier, recipe: Recipe) -> list[float]:
    volume = golden_volume()
    slices, footprint = crop(volume.voxels, volume.spacing_mm, recipe)
    if recipe.mask_channel:
        slices = with_mask(slices, volume.voxels > volume.voxels.mean(), footprint, recipe)
    return [round(float(logit), 6) for logit in classifier.logits(classifier.features(slices))]


def _checked_manifest(folder: Path) -> dict[str, Any]:
    """The manifest. BundleError if a file has another digest than in it, or a schema, route or scheme is unknown."""
    manifest = read_manifest(folder, SCHEMAS_READ)
    try:
        route, scheme = manifest["route"], manifest["scheme"]
    except KeyError as error:
        raise BundleError(f"{folder.name}: its manifest.json isn't that of a classifier: {error} is missing") from error
    if route not in CLASSIFIERS or scheme not in SCHEMES:
        raise BundleError(f"{folder.name}: unknown route {route!r} or scheme {scheme!r}")
    return manifest

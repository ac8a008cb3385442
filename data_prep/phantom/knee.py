"""One synthetic knee: its pixels and its truth."""

import uuid
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from data_prep.boxes import Box, bounding_box
from data_prep.labels import FOUR_CLASS
from data_prep.phantom.anatomy import Anatomy
from data_prep.phantom.findings import Findings
from data_prep.phantom.ligament import Ligament
from data_prep.phantom.scanner import PROFILES, Profile, Scan, enlarge, measure, place
from data_prep.phantom.scene import paint_knee
from data_prep.phantom.tissues import LabelArray, refine
from data_prep.volume import Acquisition, Volume

FIELD_STRENGTH_T = 1.5
NAMESPACE = uuid.UUID("7d1f5a0e-6f5b-5c39-9a55-2f6f0f3c0a11")  # so that these UIDs differ from others made from names
HeaderLaterality = Literal["series", "image", "empty", "absent"]
LATERALITY_IN_HEADER: tuple[HeaderLaterality, ...] = get_args(HeaderLaterality)

Parameters = dict[str, float | str]


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic knee. All arrays are `[slices, rows, columns]`, in order along the normal.

    Attributes:
        seed: The seed that it was made from.
        label: A class of `FOUR_CLASS`.
        pixels: uint16, as the scanner stores them.
        acl: bool, the ligament including its tears.
        bones: uint8, 0 or 1 + an index into `BONE_NAMES`.
        scan: How the series was measured.
        anatomy: The bones and what lies on them.
        ligament: The ligament's course and state.
        findings: Joint fluid and bone bruises.
        header_laterality: Which attribute names the side: "series" (Laterality), "image" (ImageLaterality), or neither:
            with "empty" Laterality is empty, with "absent" it is absent.
        instances_ascend: Whether InstanceNumber increases along the normal.
        parameters: The random values that were drawn.
    """

    seed: int
    label: str
    pixels: npt.NDArray[np.uint16]
    acl: npt.NDArray[np.bool_]
    bones: npt.NDArray[np.uint8]
    scan: Scan
    anatomy: Anatomy
    ligament: Ligament
    findings: Findings
    header_laterality: HeaderLaterality
    instances_ascend: bool
    parameters: Parameters

    @property
    def box(self) -> Box:
        """The smallest block of voxels that holds the ligament: (start, stop) of slices, rows, columns."""
        return bounding_box(self.acl)

    @cached_property
    def tissues(self) -> LabelArray:
        """A label map of everything that was painted: uint8, indices into `TISSUES`. It agrees with `acl` and `bones`.

        The knee is painted again, which takes as long as `generate`.
        """
        rng = _sources(self.seed)[-1]
        painted = paint_knee(self.scan, self.anatomy, self.ligament, self.findings, rng, record=True).tissues
        assert painted is not None
        return refine(painted, self.acl, self.bones)

    def uid(self, *parts: object) -> str:
        """A UID that depends only on the seed, the class and `parts`."""
        name = "/".join(map(str, (self.seed, self.label, *parts)))
        return f"2.25.{uuid.uuid5(NAMESPACE, name).int}"

    def to_volume(self) -> Volume:
        """The volume that reading the DICOM files gives."""
        scan = self.scan
        return Volume(
            voxels=self.pixels.astype(np.float32),
            spacing_mm=(scan.spacing_mm, scan.pixel_mm, scan.pixel_mm),
            directions=scan.directions,
            positions_mm=scan.positions_mm(),
            sop_uids=tuple(self.uid("instance", index) for index in range(scan.slices)),
            study_uid=self.uid("study"),
            series_uid=self.uid("series"),
            laterality=scan.side if self.header_laterality in ("series", "image") else "unknown",
            acquisition=Acquisition(
                fat_suppressed=True,
                echo_time_ms=scan.te_ms,
                repetition_time_ms=scan.tr_ms,
                field_strength_t=FIELD_STRENGTH_T,
                manufacturer="Cruciate phantom",
                model=scan.profile.model,
            ),
        )


def generate(seed: int, label: str, profile: Profile | None = None) -> Phantom:
    """Make a random knee.

    Knees of one seed differ only in the ligament and, a little, in how often there are bruises and effusion.

    Args:
        seed: The same seed, label and profile give the same knee.
        label: The ligament's state, a class of `FOUR_CLASS`.
        profile: The scanner; drawn from `PROFILES` if None.

    Raises:
        ValueError: If the label isn't a class.
    """
    FOUR_CLASS.index(label)
    rng, ligament_rng, findings_rng, image_rng = _sources(seed)
    profile = PROFILES[int(rng.integers(len(PROFILES)))] if profile is None else profile
    header_laterality = LATERALITY_IN_HEADER[int(rng.integers(len(LATERALITY_IN_HEADER)))]
    instances_ascend = bool(rng.random() < 0.7)
    anatomy = Anatomy.draw(rng)
    scan = place(profile, anatomy, rng)
    ligament = Ligament.draw(label, anatomy, ligament_rng)
    findings = Findings.draw(label != FOUR_CLASS.classes[0], findings_rng)
    painting = paint_knee(scan, anatomy, ligament, findings, image_rng)
    bones = np.zeros((scan.slices, scan.matrix, scan.matrix), np.uint8)
    for value, shares in enumerate(painting.bones, start=1):
        for bone, share in zip(bones, shares, strict=True):
            if share.any():
                bone[enlarge(share[None], scan.matrix)[0]] = value
    acl = enlarge(painting.acl, scan.matrix)
    return Phantom(
        seed=seed,
        label=label,
        pixels=measure(painting.signal, scan, painting.fluid, image_rng),
        acl=acl,
        bones=bones,
        scan=scan,
        anatomy=anatomy,
        ligament=ligament,
        findings=findings,
        header_laterality=header_laterality,
        instances_ascend=instances_ascend,
        parameters=_parameters(scan, anatomy, ligament, findings),
    )


def _sources(seed: int) -> list[np.random.Generator]:
    """Sources of random numbers: for anatomy and scan, the ligament, the findings, the painting."""
    return np.random.default_rng(seed).spawn(4)


def _parameters(scan: Scan, anatomy: Anatomy, ligament: Ligament, findings: Findings) -> Parameters:
    """The random values that were drawn. Points and directions are left out: they can be seen in the geometry."""
    found: Parameters = {
        "side": scan.side,
        "profile": scan.profile.name,
        "noise": scan.noise,
        "fat_left": scan.fat_left,
    }
    for prefix, part in (("anatomy", anatomy), ("ligament", ligament), ("findings", findings)):
        for name, value in asdict(part).items():
            if isinstance(value, float | str | bool):
                found[f"{prefix}.{name}"] = value
    return found

"""Randomised studies with decoys: of each, the generator knows which series is meant, or why the study is refused.

Everything is drawn from one seed. Headers are written as scanners of seven vendors write them, without any table of the
product, so that a word that it doesn't know is found here. Slices are tiny: only headers and geometry matter.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import (
    BasicTextSRStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

from tests.data_prep.dicom_factory import AXIAL, CORONAL, SAGITTAL, enhanced, put_pixels

SIZE = 16
STUDY = "2.25.4711"
FRAME_OF_REFERENCE = "2.25.4712"
Images = list[Dataset]


@dataclass(frozen=True)
class Vendor:
    """How one vendor's scanners describe what they make. Each sequence holds alternatives.

    fat_suppressed: description and attributes; plain: of the same weighting without fat suppression; dixon: attributes
    of water, fat, in phase and opposed phase.
    """

    manufacturer: str
    anatomy: Sequence[list[str]]
    fat_suppressed: Sequence[tuple[str, dict[str, Any]]]
    plain: Sequence[str]
    t1: Sequence[str]
    dixon: Sequence[Sequence[dict[str, Any]]]
    scout: Sequence[tuple[list[str], str]]
    maps: Sequence[tuple[list[str], str]]


def _types(*values: str) -> list[dict[str, Any]]:
    return [{"ImageType": value.split("\\")} for value in values]


VENDORS = (
    Vendor(
        "GE MEDICAL SYSTEMS",
        [["ORIGINAL", "PRIMARY", "OTHER"]],
        [
            ("Sag PD FS", {"ScanOptions": ["FAST_GEMS", "NPW", "FS", "FILTERED_GEMS"]}),
            ("SAG PD FAT SAT", {}),
            ("Sag T2 frFSE FS", {"ScanOptions": ["EDR_GEMS", "FS"]}),
            ("SAG STIR", {"ScanningSequence": ["IR", "SE"], "InversionTime": 150}),
        ],
        ["Sag PD", "SAG PD NON FS", "SAG PD w/o FS"],
        ["Sag T1", "SAG T1 FSE"],
        [
            [
                {"SeriesDescription": f"{part}: Sag PD FSE Flex", "ImageType": ["DERIVED", "PRIMARY", "DIXON", word]}
                for part, word in (
                    ("WATER", "WATER"),
                    ("FAT", "FAT"),
                    ("InPhase", "IN_PHASE"),
                    ("OutPhase", "OUT_PHASE"),
                )
            ]
        ],
        [(["ORIGINAL", "PRIMARY", "OTHER"], "3-Plane Localizer"), (["ORIGINAL", "PRIMARY", "OTHER"], "Knee quick")],
        [
            (["DERIVED", "PRIMARY", "R2_STAR"], "R2* IDEAL IQ"),
            (["DERIVED", "PRIMARY", "FAT_FRACTION"], "FatFrac sag"),
            (["DERIVED", "PRIMARY", "T2_MAP"], "Cartigram"),
        ],
    ),
    Vendor(
        "SIEMENS",
        [["ORIGINAL", "PRIMARY", "M", "ND"], ["ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D"]],
        [
            ("pd_tse_fs_sag_p2_384", {"ScanOptions": ["PFP", "FS"]}),
            ("pd_tse_sag_fs", {}),
            ("t2_tse_fs_sag_320", {"ScanOptions": "FS"}),
            ("tirm_sag", {"ScanningSequence": ["SE", "IR"], "InversionTime": 160}),
            ("pd_tse_sag_fettges.", {}),
        ],
        ["pd_tse_sag", "pd_tse_sag ohne FS", "pd_tse_sag_384_non_fs"],
        ["t1_tse_sag", "t1_se_sag_384"],
        [
            [
                {"SeriesDescription": f"pd_tse_dixon_sag_{part}", "ImageType": ["DERIVED", "PRIMARY", "DIXON", word]}
                for part, word in (("W", "WATER"), ("F", "FAT"), ("in", "IN_PHASE"), ("opp", "OPP_PHASE"))
            ],
            [
                {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "DIXON", word]}
                for word in ("WATER", "FAT", "IN_PHASE", "OPP_PHASE")
            ],
        ],
        [(["ORIGINAL", "PRIMARY", "M", "ND"], "localizer"), (["ORIGINAL", "PRIMARY", "M", "NORM"], "AAHScout")],
        [
            (["DERIVED", "PRIMARY", "M", "T2 MAP"], "T2_Images"),
            (["DERIVED", "PRIMARY", "T2_STAR_MAP"], "T2star"),
            (["DERIVED", "PRIMARY", "T1 MAP", "ND"], "T1_Images"),
        ],
    ),
    Vendor(
        "Philips Medical Systems",
        [["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"]],
        [
            ("sag PDW_SPAIR", {}),
            ("PDW_aTSE_SPIR SAG", {"ScanOptions": "FS"}),
            ("T2W_SPAIR sag", {"ScanOptions": ["FS", "OTHER"]}),
            ("PDW_mDIXON_sag", {"ImageType": ["DERIVED", "PRIMARY", "W", "W", "DERIVED"]}),
        ],
        ["sag PDW_TSE", "PDW sag no fs"],
        ["T1W_TSE sag", "SAG T1W"],
        [
            _types(
                "DERIVED\\PRIMARY\\W\\W\\DERIVED",
                "DERIVED\\PRIMARY\\F\\F\\DERIVED",
                "DERIVED\\PRIMARY\\IP\\IP\\DERIVED",
                "DERIVED\\PRIMARY\\OP\\OP\\DERIVED",
            ),
            _types(
                "ORIGINAL\\PRIMARY\\DIXON\\WATER",
                "ORIGINAL\\PRIMARY\\DIXON\\FAT",
                "ORIGINAL\\PRIMARY\\DIXON\\IN_PHASE",
                "ORIGINAL\\PRIMARY\\DIXON\\OUT_OF_PHASE",
            ),
        ],
        [
            (["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"], "Survey"),
            (["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"], "SmartSurvey"),
        ],
        [
            (["ORIGINAL", "PRIMARY", "T2 MAP", "T2", "UNSPECIFIED"], "T2 calc"),
            (["DERIVED", "PRIMARY", "FF", "FF", "DERIVED"], "mDIXON Quant"),
        ],
    ),
    Vendor(
        "CANON_MEC",
        [["ORIGINAL", "PRIMARY"], ["ORIGINAL", "PRIMARY", "OTHER"]],
        [("PD FatSat SAG", {}), ("SAG 脂肪抑制 PD", {"SpecificCharacterSet": "ISO_IR 192"})],
        ["PD SAG", "PD SAG 脂肪抑制なし"],
        ["T1 SAG", "SAG T1 FSE"],
        [_types(*(f"DERIVED\\PRIMARY\\{word}" for word in ("WATER", "FAT", "IN_PHASE", "OUT_PHASE")))],
        [(["ORIGINAL", "PRIMARY"], "Locator"), (["ORIGINAL", "PRIMARY"], "位置決め")],
        [(["DERIVED", "PRIMARY", "T2_MAP"], "T2 map SAG")],
    ),
    Vendor(
        "Hitachi Medical Corporation",
        [["ORIGINAL", "PRIMARY", "OTHER"]],
        [("PD-FatSat Sag", {}), ("Sag STIR", {"ScanningSequence": "IR", "InversionTime": 110})],
        ["PD Sag", "PD-WI Sag"],
        ["T1 Sag", "T1-WI SAG"],
        [_types(*(f"DERIVED\\PRIMARY\\{word}" for word in ("WATER", "FAT", "IN PHASE", "OUT PHASE")))],
        [(["ORIGINAL", "PRIMARY", "OTHER"], "Scanogram")],
        [(["DERIVED", "PRIMARY", "T2MAP"], "T2 mapping")],
    ),
    Vendor(
        "UIH",
        [["ORIGINAL", "PRIMARY", "M", "NONE"]],
        [("pd_fse_fs_sag", {}), ("t2_fse_sag_fs", {"ScanOptions": "FS"})],
        ["pd_fse_sag"],
        ["t1_fse_sag"],
        [
            [
                {"SeriesDescription": f"pd_fse_wfi_sag_{part}", "ImageType": ["DERIVED", "PRIMARY", word]}
                for part, word in (("W", "WATER"), ("F", "FAT"), ("IP", "IN_PHASE"), ("OP", "OUT_PHASE"))
            ]
        ],
        [(["ORIGINAL", "PRIMARY", "M", "NONE"], "scout")],
        [(["DERIVED", "PRIMARY", "T2MAP"], "t2map_sag")],
    ),
    Vendor(
        "ESAOTE",
        [["ORIGINAL", "PRIMARY"]],
        [("STIR SAG", {"ScanningSequence": "IR", "InversionTime": 75}), ("SAG FSE STIR", {})],
        ["SAG FSE PD"],
        ["SAG SE T1"],
        [_types(*(f"DERIVED\\PRIMARY\\{word}" for word in ("WATER", "FAT", "IN_PHASE", "OUT_OF_PHASE")))],
        [(["ORIGINAL", "PRIMARY"], "SCOUT"), (["ORIGINAL", "PRIMARY"], "Real Time Positioning")],
        [(["DERIVED", "PRIMARY", "T2_MAP"], "T2 MAP")],
    ),
)
LEFT = ("L", "LEFT", "Left knee", "LI", "gauche", "izquierda", "sinistra", "LT")
RIGHT = ("R", "RIGHT", "Right knee", "RE", "droite", "derecha", "destra", "RT")


@dataclass
class Study:
    """Files by name, in random order, and what is to come out.

    sop_uids: of the slices to predict on, in any of these sets; kind: of the refusal, one of these, if there is none.
    laterality: asked for; side: to be answered, None if it doesn't matter. story: what is in it, for whoever mends it.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    sop_uids: list[set[str]] = field(default_factory=list)
    kinds: tuple[str, ...] = ()
    laterality: str | None = None
    side: str | None = None
    story: list[str] = field(default_factory=list)


class Maker:
    """Draws one study."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.vendor: Vendor = self.pick(VENDORS)
        self.study = Study(story=[f"seed {seed}", self.vendor.manufacturer])
        self.images: Images = []
        self.middle_mm = float(self.pick([0, 0, -95, 95, 40, -30]))
        self.step_mm = float(self.pick([3.0, 3.3, 3.5, 4.0]))
        self.slices = int(self.rng.integers(12, 15))
        self._series = 0

    def pick(self, choices: Sequence[Any]) -> Any:
        """One of them."""
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return bool(self.rng.random() < share)

    def told(self, text: str) -> None:
        """Into the story."""
        self.study.story.append(text)

    def series(
        self,
        slices: int | None = None,
        orientation: Sequence[float] = SAGITTAL,
        step_mm: float | None = None,
        middle_mm: float | None = None,
        pixel_mm: float = 0.4,
        uid: str | None = None,
        **attributes: Any,
    ) -> Images:
        """Slices of one series, an oblique one at times; attributes go over everything else."""
        if uid is None:
            self._series += 1
            uid = f"{STUDY}.{self._series}.{int(self.rng.integers(1, 1 << 30))}"
        slices = slices or self.slices
        step_mm = step_mm or self.step_mm
        across, down = np.array(orientation, float).reshape(2, 3)
        normal = np.cross(across, down)
        middle = np.array([self.middle_mm if middle_mm is None else middle_mm, 5.0, -12.0])
        corner = middle - pixel_mm * (SIZE - 1) / 2 * (across + down)
        made = []
        for number in range(slices):
            image = Dataset()
            image.SOPClassUID = MRImageStorage
            image.SOPInstanceUID = f"{uid}.{int(self.rng.integers(1, 1 << 40))}"
            image.StudyInstanceUID = STUDY
            image.SeriesInstanceUID = uid
            image.FrameOfReferenceUID = FRAME_OF_REFERENCE
            image.PatientID, image.PatientName = "0815", "Made^Up"
            image.Modality, image.Manufacturer = "MR", self.vendor.manufacturer
            image.ImageType = self.pick(self.vendor.anatomy[:1])
            image.InstanceNumber = number + 1
            image.ScanningSequence = "SE"
            image.MagneticFieldStrength = 1.5
            position = corner + (number - (slices - 1) / 2) * step_mm * normal
            image.ImagePositionPatient = [round(float(x), 4) for x in position]
            image.ImageOrientationPatient = [float(x) for x in orientation]
            image.PixelSpacing = [pixel_mm, pixel_mm]
            image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
            put_pixels(image, self.rng.integers(0, 4096, (SIZE, SIZE)).astype("u2"))
            for keyword, value in attributes.items():
                if value is not None:
                    setattr(image, keyword, value)
                elif keyword in image:
                    delattr(image, keyword)
            made.append(image)
        self.images += made
        return made

    def fat_suppressed(self, **attributes: Any) -> Images:
        """What a reader opens first: proton density or T2 weighting, fat suppressed."""
        description, more = self.pick(self.vendor.fat_suppressed)
        self.told(f"meant: {description}")
        weighting = {"RepetitionTime": self.pick([2200, 3000.5, 4100]), "EchoTime": self.pick([28, 33.6, 41, 60])}
        return self.series(**{"SeriesDescription": description} | weighting | more | attributes)

    def meant(self, images: Images) -> None:
        """These are to be predicted on (or others that were said so before)."""
        self.study.sop_uids.append({image.SOPInstanceUID for image in images})

    def finished(self) -> Study:
        """With files in random order and under random names."""
        order = self.rng.permutation(len(self.images))
        self.study.files = {f"{int(self.rng.integers(1 << 50)):x}{place}": _file(self.images[place]) for place in order}
        return self.study


def _file(image: Dataset) -> bytes:
    """Written by hand, in a third of the time that `save_as` takes for its checks."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, image)
    return _META + stream.getvalue()


def _meta() -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = DicomBytesIO()
    write_file_meta_info(stream, meta, enforce_standard=False)
    return bytes(128) + b"DICM" + stream.getvalue()


_META = _meta()


# What may lie beside the series that is meant, and is never predicted on.


def t1(maker: Maker) -> None:
    """More slices, smaller pixels, and no fluid to be seen."""
    description = maker.pick(maker.vendor.t1)
    maker.series(maker.slices + 2, pixel_mm=0.3, SeriesDescription=description, RepetitionTime=550, EchoTime=12)


def plain(maker: Maker) -> None:
    """The same weighting with bright fat."""
    maker.series(
        maker.slices + 1,
        SeriesDescription=maker.pick(maker.vendor.plain),
        RepetitionTime=3000,
        EchoTime=30,
        SpecificCharacterSet="ISO_IR 192",
    )


def other_planes(maker: Maker) -> None:
    """Coronal and axial."""
    for plane, word in ((CORONAL, "COR"), (AXIAL, "AX")):
        maker.series(4, plane, SeriesDescription=f"{word} PD FS", ScanOptions="FS", RepetitionTime=3000, EchoTime=35)


def scout(maker: Maker) -> None:
    """Three planes in one series, or sagittal slices alone; called a scout or not."""
    types, description = maker.pick(maker.vendor.scout)
    named = {"SeriesDescription": description, "SpecificCharacterSet": "ISO_IR 192"}
    if maker.chance(0.4):
        types = [*types, "LOCALIZER"]
    gradient = {"ImageType": types, "ScanningSequence": "GR", "RepetitionTime": 8, "EchoTime": 3.5} | named
    uid = f"{STUDY}.9999.{int(maker.rng.integers(1 << 30))}"
    for plane in (SAGITTAL, CORONAL, AXIAL) if maker.chance(0.5) else (SAGITTAL,):
        maker.series(8, plane, step_mm=7.0, pixel_mm=1.6, uid=uid, **gradient)


def scout_of_both_knees(maker: Maker) -> None:
    """So wide that both knees are on it."""
    types, description = maker.pick(maker.vendor.scout)
    maker.series(
        11, step_mm=30.0, middle_mm=0.0, pixel_mm=1.6, ImageType=types, SeriesDescription=description,
        SpecificCharacterSet="ISO_IR 192", RepetitionTime=8, EchoTime=3.5, ScanningSequence="GR",
    )  # fmt: skip


def computed_map(maker: Maker) -> None:
    """T2, R2* or fat fraction, with the acquisition's own TR and TE, and more slices."""
    types, description = maker.pick(maker.vendor.maps)
    maker.series(
        maker.slices + 3, ImageType=types, SeriesDescription=description, RepetitionTime=3000, EchoTime=35,
        ScanOptions="FS",
    )  # fmt: skip


def reformat(maker: Maker) -> None:
    """Made from a 3D series, with thinner slices."""
    types = maker.pick(
        [
            ["DERIVED", "PRIMARY", "MPR"],
            ["DERIVED", "SECONDARY", "MPR", "CSA MPR", "", "CSAPARALLEL"],
            ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"],
            ["DERIVED", "PRIMARY", "PROJECTION IMAGE", "MIP"],
            ["DERIVED", "SECONDARY", "REFORMATTED", "MIP"],
            ["DERIVED", "PRIMARY", "SUBTRACTION"],
        ]
    )
    maker.series(
        16, step_mm=1.0, pixel_mm=0.3, ImageType=types, SeriesDescription="PD FS SAG", ScanOptions="FS",
        RepetitionTime=3000, EchoTime=35,
    )  # fmt: skip


def phase(maker: Maker) -> None:
    """Phase, real and imaginary images."""
    types, component = maker.pick(
        [
            (["ORIGINAL", "PRIMARY", "P", "ND"], None),
            (["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "SE"], None),
            (["ORIGINAL", "PRIMARY", "R_SE", "R", "SE"], None),
            (["ORIGINAL", "PRIMARY", "OTHER"], "PHASE"),
            (["ORIGINAL", "PRIMARY", "OTHER"], "IMAGINARY"),
        ]
    )
    maker.series(
        maker.slices + 1, ImageType=types, ComplexImageComponent=component, SeriesDescription="SAG PD FS",
        ScanOptions="FS", RepetitionTime=3000, EchoTime=35,
    )  # fmt: skip


def derived_copy(maker: Maker) -> None:
    """By software that leaves patients or numbers out."""
    images = maker.series(
        8, ImageType=["DERIVED", "SECONDARY", "PROCESSED"], SeriesDescription="SAG PD FS denoised", ScanOptions="FS",
        RepetitionTime=3000, EchoTime=35,
    )  # fmt: skip
    for image in images:
        image.PatientID = ""
        if maker.chance(0.5):
            image.PatientName = "MADE^UP^^"


def screenshot(maker: Maker) -> None:
    """A picture with faults that a viewer forgives."""
    (image,) = maker.series(1, SOPClassUID=SecondaryCaptureImageStorage, ImageType=["DERIVED", "SECONDARY"])
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(image, keyword)
    fault = maker.pick(["BitsAllocated", "HighBit", "PhotometricInterpretation", "PixelData", "none"])
    if fault == "HighBit":
        image.BitsStored, image.HighBit = 8, 15
    elif fault != "none":
        delattr(image, fault)


def report(maker: Maker) -> None:
    """A document, and an MR object without pixels."""
    (image,) = maker.series(1, SOPClassUID=BasicTextSRStorage, Modality="SR")
    del image.PixelData
    (image,) = maker.series(1)
    del image.PixelData


def ct(maker: Maker) -> None:
    """Another modality in the same study."""
    maker.series(9, SOPClassUID=CTImageStorage, Modality="CT", SeriesDescription="SAG PD FS")


def spoilt_numbers(maker: Maker) -> None:
    """A coronal series with numbers that are none, and an odd character set."""
    images = maker.series(3, CORONAL, SeriesDescription="COR T1")
    for image in images:
        image.add_new("MagneticFieldStrength", "LO", maker.pick(["1,5", "NaN", "high"]))
        image.add_new("RepetitionTime", "LO", maker.pick(["3000,5", "", "inf"]))


def few_slices(maker: Maker) -> None:
    """A fat-suppressed sagittal series that was stopped."""
    maker.series(5, SeriesDescription="SAG PD FS", ScanOptions="FS", RepetitionTime=3000, EchoTime=35)


DECOYS: tuple[Callable[[Maker], None], ...] = (
    *(t1, plain, other_planes, scout, scout_of_both_knees, computed_map, reformat, phase, derived_copy),
    *(screenshot, report, ct, spoilt_numbers, few_slices),
)


def add_decoys(maker: Maker, fewest: int = 2, most: int = 4) -> None:
    """Some of them."""
    count = int(maker.rng.integers(fewest, most + 1))
    for place in maker.rng.permutation(len(DECOYS))[:count]:
        maker.told(DECOYS[place].__name__)
        DECOYS[place](maker)


# What may be wrong with the series that is meant without making it another one.


def sent_twice(maker: Maker, images: Images) -> None:
    """Some slices, or all, again under other UIDs; either copy will do."""
    count = int(maker.pick([1, 3, len(images)]))
    for place in maker.rng.permutation(len(images))[:count]:
        copy = deepcopy(images[place])
        copy.SOPInstanceUID = f"{copy.SOPInstanceUID}.1"
        maker.images.append(copy)


def jittered(maker: Maker, images: Images) -> None:
    """Numbers that were measured, or rounded, for each slice."""
    for image in images:
        if "EchoTime" in image:
            image.EchoTime = round(float(image.EchoTime) + float(maker.pick([0, 0.00001, 0.02, -0.02])), 6)
        image.PixelSpacing = [0.4, float(maker.pick([0.4, 0.40000001, 0.402]))]
        image.ImageOrientationPatient = [0.0, 1.0, float(maker.pick([0, 1e-5, -4e-4])), 0.0, 0.0, -1.0]
        x, y, z = (float(value) for value in image.ImagePositionPatient)
        image.ImagePositionPatient = [round(x + float(maker.pick([0, 0.001, -0.02, 0.2])), 3), y, z]


def whole_millimetres(_: Maker, images: Images) -> None:
    """Positions without decimals."""
    for image in images:
        image.ImagePositionPatient = [float(round(float(value))) for value in image.ImagePositionPatient]


def without_numbers(maker: Maker, images: Images) -> None:
    """Optional numbers are missing or none."""
    for image in images:
        del image.MagneticFieldStrength, image.InstanceNumber
        if maker.chance(0.5):
            image.AcquisitionNumber = int(maker.rng.integers(1, 99))


def numbered_at_random(maker: Maker, images: Images) -> None:
    """InstanceNumber in another order than positions."""
    for image, number in zip(images, maker.rng.permutation(len(images)), strict=True):
        image.InstanceNumber = int(number) + 1


def oblique(maker: Maker, images: Images) -> None:
    """Turned along the ligament."""
    turn = np.deg2rad(float(maker.pick([-20, -12, 10, 18])))
    across = np.array([np.sin(turn), np.cos(turn), 0.0])
    normal = np.cross(across, [0.0, 0.0, -1.0])
    start = np.array([maker.middle_mm, 0.0, 0.0]) - maker.step_mm * (len(images) - 1) / 2 * normal
    for place, image in enumerate(images):
        image.ImageOrientationPatient = [*(round(float(x), 6) for x in across), 0.0, 0.0, -1.0]
        image.ImagePositionPatient = [round(float(x), 3) for x in start + place * maker.step_mm * normal]


def untouched(_: Maker, __: Images) -> None:
    """Nothing is wrong."""


DEFECTS = (untouched, untouched, jittered, whole_millimetres, without_numbers, numbered_at_random, oblique, sent_twice)


# Studies that are predicted on.


def one_series(maker: Maker) -> None:
    """An ordinary series, perhaps with a defect."""
    side = maker.pick(["", "", "L", "R"])
    if side:
        maker.middle_mm = 70.0 if side == "L" else -70.0
    spelling = maker.pick(LEFT if side == "L" else RIGHT) if side else None
    images = maker.fat_suppressed(Laterality=spelling)
    maker.meant(images)
    defect = maker.pick(DEFECTS)
    maker.told(f"{defect.__name__}, side {spelling}")
    defect(maker, images)
    maker.study.side = side or "unknown"
    if defect is sent_twice:
        _meant_or_its_copies(maker, images)
    add_decoys(maker)


def _meant_or_its_copies(maker: Maker, images: Images) -> None:
    """Of a slice and its copy either one."""
    uids = {image.SOPInstanceUID for image in images}
    maker.study.sop_uids = [uids]


def dixon_in_four_series(maker: Maker) -> None:
    """Water, fat, in phase, opposed phase: each a series of its own."""
    _dixon(maker, [f"{STUDY}.44.{number}" for number in range(1, 5)])


def dixon_in_one_series(maker: Maker) -> None:
    """All four at each position of one series."""
    _dixon(maker, [f"{STUDY}.44.1"] * 4)


def _dixon(maker: Maker, uids: Sequence[str]) -> None:
    spelling = maker.pick(maker.vendor.dixon)
    maker.told(str([part["ImageType"] for part in spelling]))
    same_echo = maker.chance(0.5)
    for place in maker.rng.permutation(4):
        shared = {"SeriesDescription": "SAG PD DIXON", "RepetitionTime": 3000}
        echo = 35 if same_echo else 33 + 1.15 * place
        images = maker.series(uid=uids[place], EchoTime=echo, **shared | spelling[place])
        if place == 0:
            maker.meant(images)
    add_decoys(maker, 1, 3)


def several_echoes(maker: Maker) -> None:
    """A multi-echo series; echo times jitter."""
    uid = f"{STUDY}.55.1"
    times = maker.pick([(9.3, 18.6, 27.9, 37.2), (12, 36, 60), (6.28, 34)])
    maker.told(f"echoes {times}")
    nearest = min(times, key=lambda time: abs(time - 35))
    for time in times:
        images = maker.series(uid=uid, SeriesDescription="SAG T2 FS ME", ScanOptions="FS", RepetitionTime=2500)
        for image in images:
            image.EchoTime = round(time + float(maker.pick([0, 0.01, -0.02])), 4)
        if time == nearest:
            maker.meant(images)
    add_decoys(maker, 1, 3)


def multi_frame(maker: Maker) -> None:
    """One enhanced instance."""
    slices = maker.fat_suppressed(ScanOptions="FS")
    maker.images = [image for image in maker.images if image not in slices]
    image = enhanced([slices[place] for place in maker.rng.permutation(len(slices))])
    maker.images.append(image)
    maker.meant([image])
    add_decoys(maker, 2, 4)


def repeated(maker: Maker) -> None:
    """The same protocol twice: the later one was made because the first was spoilt."""
    description, more = maker.pick(maker.vendor.fat_suppressed)
    maker.told(f"twice: {description}")
    shared = {"SeriesDescription": description, "RepetitionTime": 3000, "EchoTime": 35, "AcquisitionDate": "20260105"}
    for time, is_meant in (("101500", False), ("102215.5", True)):
        images = maker.series(**shared | more, AcquisitionTime=time)
        if is_meant:
            maker.meant(images)
    add_decoys(maker, 1, 3)


def sent_as_two_series(maker: Maker) -> None:
    """A whole series again under other UIDs: either will do."""
    images = maker.fat_suppressed()
    maker.meant(images)
    copies = deepcopy(images)
    for copy in copies:
        copy.SeriesInstanceUID = f"{STUDY}.66.1"
        copy.SOPInstanceUID = f"{copy.SOPInstanceUID}.1"
    maker.images += copies
    maker.meant(copies)
    add_decoys(maker, 1, 3)


def only_plain(maker: Maker) -> None:
    """Without a fat-suppressed series, proton density is better than T1."""
    maker.told("no fat-suppressed series")
    images = maker.series(SeriesDescription=maker.pick(maker.vendor.plain[:1]), RepetitionTime=3000, EchoTime=30)
    maker.meant(images)
    for decoy in (t1, maker.pick([scout, phase, computed_map, other_planes]), maker.pick([reformat, screenshot])):
        maker.told(decoy.__name__)
        decoy(maker)


def asked_for(maker: Maker) -> None:
    """Two knees, of which one is asked for; sides by header or by position."""
    asked = maker.pick(["L", "R"])
    by_header = maker.chance(0.5)
    maker.told(f"two knees, {asked} asked for, named in headers: {by_header}")
    for side, x, words in (("L", 105.0, LEFT), ("R", -105.0, RIGHT)):
        maker.middle_mm = x
        images = maker.fat_suppressed(Laterality=maker.pick(words) if by_header else None)
        if maker.chance(0.5):
            t1(maker)
        if side == asked:
            maker.meant(images)
    maker.middle_mm = 0.0
    scout_of_both_knees(maker)
    maker.study.laterality = maker.study.side = asked


# Studies that are refused.


def both_knees(maker: Maker) -> None:
    """In two series, in one, or in one stack."""
    form = maker.pick(["two series", "one series", "wide", "named"])
    maker.told(f"both knees: {form}")
    maker.study.kinds = ("two-knees",)
    if form == "wide":
        maker.series(48, step_mm=4.0, SeriesDescription="SAG PD FS", ScanOptions="FS", RepetitionTime=3000, EchoTime=35)
        maker.pick([screenshot, other_planes, computed_map])(maker)
        return
    uid = f"{STUDY}.77.1" if form == "one series" else None
    for x, words in ((100.0, LEFT), (-100.0, RIGHT)):
        maker.middle_mm = 0.0 if form == "named" else x
        maker.fat_suppressed(uid=uid, Laterality=maker.pick(words) if form == "named" else None)
    add_decoys(maker, 1, 3)


def other_knee(maker: Maker) -> None:
    """The knee that is asked for isn't there."""
    side = maker.pick(["L", "R"])
    maker.middle_mm = 80.0 if side == "L" else -80.0
    maker.fat_suppressed(Laterality=maker.pick(LEFT if side == "L" else RIGHT))
    maker.study.laterality = "R" if side == "L" else "L"
    maker.study.kinds = ("wrong-knee",)
    add_decoys(maker)


def contradicted(maker: Maker) -> None:
    """Predicted on, but of no side: headers and positions contradict each other."""
    maker.middle_mm = 130.0
    maker.meant(maker.fat_suppressed(Laterality=maker.pick(RIGHT)))
    maker.study.side = "unknown"
    add_decoys(maker)


def mixed(maker: Maker) -> None:
    """Two patients, or two studies."""
    maker.fat_suppressed()
    strangers = maker.series(10, SeriesDescription="SAG PD FS", RepetitionTime=3000, EchoTime=35)
    fault = maker.pick(["PatientID", "PatientName", "StudyInstanceUID"])
    maker.told(f"mixed: {fault}")
    for image in strangers:
        setattr(image, fault, f"{STUDY}8" if fault == "StudyInstanceUID" else "Somebody^Else")
        if fault == "PatientName":
            image.PatientID = ""
    maker.study.kinds = ("mixed-studies",)
    add_decoys(maker)


def nothing_sagittal(maker: Maker) -> None:
    """Other planes, scouts, maps, fat."""
    maker.study.kinds = ("wrong-plane", "nothing-to-predict-on", "too-few-slices")
    for decoy in (other_planes, computed_map, scout, phase, screenshot, ct, reformat, few_slices):
        if maker.chance(0.5):
            maker.told(decoy.__name__)
            decoy(maker)
    for place in (1, 3):
        spelling = maker.pick(maker.vendor.dixon)[place]
        maker.series(**{"SeriesDescription": "SAG PD", "RepetitionTime": 3000, "EchoTime": 35} | spelling)


def slice_missing(maker: Maker) -> None:
    """In the series that would be predicted on."""
    images = maker.fat_suppressed()
    lost = images[int(maker.rng.integers(2, len(images) - 2))]
    maker.images.remove(lost)
    maker.study.kinds = ("gap",)
    maker.told("a slice is missing")
    for decoy in (other_planes, maker.pick([t1, plain, scout])):
        decoy(maker)


def no_positions(maker: Maker) -> None:
    """Positions that are all the same, missing, or shared by different images."""
    images = maker.fat_suppressed()
    fault = maker.pick(["same", "zero", "missing", "shared"])
    maker.told(f"positions: {fault}")
    for image in images:
        if fault == "missing":
            del image.ImagePositionPatient
        elif fault != "shared":
            image.ImagePositionPatient = [0.0] * 3 if fault == "zero" else [40.0, -20.0, 8.0]
    if fault == "shared":
        other = deepcopy(images[3])
        other.SOPInstanceUID = f"{other.SOPInstanceUID}.1"
        put_pixels(other, maker.rng.integers(0, 4096, (SIZE, SIZE)).astype("u2"))
        maker.images.append(other)
    maker.study.kinds = ("no-positions",)
    for decoy in (other_planes, maker.pick([computed_map, scout, phase])):
        decoy(maker)


# How often each is drawn.
PLOTS: dict[Callable[[Maker], None], int] = {
    one_series: 10,
    dixon_in_four_series: 4,
    dixon_in_one_series: 4,
    several_echoes: 2,
    multi_frame: 2,
    repeated: 2,
    sent_as_two_series: 1,
    only_plain: 2,
    asked_for: 2,
    both_knees: 3,
    other_knee: 1,
    contradicted: 1,
    mixed: 2,
    nothing_sagittal: 2,
    slice_missing: 1,
    no_positions: 2,
}


def draw(seed: int) -> Study:
    """The study of this seed."""
    maker = Maker(seed)
    plots = [plot for plot, count in PLOTS.items() for _ in range(count)]
    plot = plots[seed % len(plots)]
    maker.told(plot.__name__)
    plot(maker)
    return maker.finished()

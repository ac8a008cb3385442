"""The mean grey value of each tissue: at random, or as a random scanner and sequence would show it."""

from math import cos, exp, pi, radians, sin

import numpy as np

from data_prep.phantom.contrast import TISSUES as CONTRASTS
from data_prep.phantom.contrast import Tissue, signal
from data_prep.phantom.tissues import NUMBERS, TISSUES
from data_prep.randomise.ranges import Range, Ranges
from data_prep.volume import FloatArray

KINDS = {
    "skin": "skin",
    "fat": "fat",
    "muscle": "muscle",
    "artery": "cortex",
    "vein": "blood",
    "fluid": "fluid",
    "notch lining": "synovium",
    "menisci": "meniscus",
    "pcl": "ligament",
    "acl": "ligament",
    "acl tear": "torn",
    "patellar tendon": "tendon",
    "quadriceps tendon": "tendon",
}
"""The tissue of `contrast.py` that a painted tissue consists of. Bones' parts and cartilage have it in their names."""
PARTS = ("cortex", "marrow", "oedema", "cartilage")

# TR and TE in ms, share of the fat's signal that is left. TE of a turbo spin echo is the effective one.
SEQUENCES: dict[str, tuple[Range, Range, Range]] = {
    "T1": ((350, 900), (8, 25), (1.0, 1.0)),
    "PD": ((1500, 5000), (8, 45), (1.0, 1.0)),
    "T2": ((2000, 6000), (50, 110), (1.0, 1.0)),
    "PD FS": ((1500, 5000), (8, 50), (0.02, 0.25)),
    "T2 FS": ((2000, 6000), (50, 90), (0.02, 0.25)),
    "STIR": ((2500, 6000), (15, 60), (0.0, 0.08)),
}
SPIN_ECHOES = tuple(SEQUENCES)
WEIGHTS = (0.12, 0.24, 0.14, 0.26, 0.12, 0.04, 0.08)
"""How often each of `SEQUENCES`, and a gradient echo at last, is drawn. No source: those that knees are read on."""

# Which tissues may share one grey value, and how often they do.
ALIKE: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0.9, ("femur marrow", "tibia marrow", "patella marrow", "fibula marrow")),
    (0.95, ("femur cortex", "tibia cortex", "patella cortex", "fibula cortex")),
    (0.95, ("femoral cartilage", "tibial cartilage", "patellar cartilage")),
    (0.6, ("acl", "pcl")),
    (0.7, ("patellar tendon", "quadriceps tendon")),
    (0.4, ("pcl", "patellar tendon")),
    (0.4, ("fat", "femur marrow", "tibia marrow", "patella marrow", "fibula marrow")),
    (0.4, ("notch lining", "fat")),
    (0.25, ("notch lining", "fluid")),
    (0.4, ("acl", "acl tear")),
)


def kind_of(tissue: str) -> str:
    """The tissue of `contrast.py` that a painted tissue consists of."""
    return KINDS.get(tissue) or next((part for part in PARTS if tissue.endswith(part)), tissue)


def draw_greys(ranges: Ranges, rng: np.random.Generator) -> FloatArray:
    """Grey values float32 `[tissues]`, from 0 (no signal) to about 1 (the brightest tissue)."""
    return random_greys(ranges, rng) if rng.random() < ranges.random_share else scanned_greys(ranges, rng)


def random_greys(ranges: Ranges, rng: np.random.Generator) -> FloatArray:
    """Grey values without any meaning. Air is dark in most samples, as it is in all scanners."""
    greys = rng.uniform(*ranges.grey, len(TISSUES)).astype(np.float32)
    _share(greys, rng)
    if rng.random() < 0.9:
        greys[NUMBERS["air"]] = rng.uniform(0, 0.08)
    return greys


def scanned_greys(ranges: Ranges, rng: np.random.Generator) -> FloatArray:
    """Grey values of a random sequence, with each tissue's constants changed at random.

    What fills the notch is a random mixture of fat, fluid and synovium. Ligaments may have more signal than tendons.
    """
    kinds = {kind: varied(tissue, ranges.relaxation, rng) for kind, tissue in CONTRASTS.items()}
    which = int(rng.choice(len(WEIGHTS), p=WEIGHTS))
    if which < len(SPIN_ECHOES):
        tr, te, left = (rng.uniform(*span) for span in SEQUENCES[SPIN_ECHOES[which]])
        colours = {kind: signal(tissue, tr, te, left) for kind, tissue in kinds.items()}
    else:
        flip, tr, te = rng.uniform(15, 70), rng.uniform(15, 600), rng.uniform(4, 18)
        left = 1.0 if rng.random() < 0.5 else rng.uniform(0.02, 0.25)
        colours = {kind: gradient_echo(tissue, tr, te, flip, left) for kind, tissue in kinds.items()}
    greys = np.array([colours[kind_of(tissue)] for tissue in TISSUES], np.float32)
    tendon, torn = colours["ligament"], colours["torn"]
    for name in ("acl", "pcl"):
        wet = rng.uniform(0, 0.7 if name == "acl" else 0.3) if rng.random() < ranges.wet_share else 0.0
        greys[NUMBERS[name]] = (tendon + wet * (torn - tendon)) * rng.uniform(0.7, 1.3)
    filling = rng.dirichlet((0.6, 0.6, 0.6))
    greys[NUMBERS["notch lining"]] = filling @ [colours["fat"], colours["fluid"], colours["synovium"]]
    greys[NUMBERS["air"]] = 0
    return greys / np.quantile(greys, 0.95)


def varied(tissue: Tissue, deviation: float, rng: np.random.Generator) -> Tissue:
    """A tissue whose constants are multiplied by random factors."""
    factors = np.exp(deviation * rng.standard_normal(3))
    density, t1, t2 = np.array([tissue.density, tissue.t1_ms, tissue.t2_ms]) * factors
    return Tissue(float(density), float(t1), float(t2), tissue.fat)


def gradient_echo(tissue: Tissue, tr_ms: float, te_ms: float, flip_degrees: float, fat_left: float) -> float:
    """A spoilt gradient echo: PD sin a (1 - E1) / (1 - E1 cos a) exp(-TE/T2*), with T2* as half of T2.

    Source: Haacke et al., Magnetic Resonance Imaging: Physical Principles and Sequence Design, chapter 18. Fat and
    water that share a voxel add up or cancel each other out; here fat's phase only lowers its signal.
    """
    flip, e1 = radians(flip_degrees), exp(-tr_ms / tissue.t1_ms)
    visible = 1 - tissue.fat * (1 - fat_left)
    phase = 1 - 0.3 * tissue.fat * (1 - cos(2 * pi * te_ms / 4.6)) / 2
    steady = sin(flip) * (1 - e1) / (1 - e1 * cos(flip))
    return visible * phase * tissue.density * steady * exp(-2 * te_ms / tissue.t2_ms)


def _share(greys: FloatArray, rng: np.random.Generator) -> None:
    for share, names in ALIKE:
        if rng.random() < share:
            greys[[NUMBERS[name] for name in names]] = greys[NUMBERS[names[0]]]

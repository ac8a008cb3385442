"""The anterior cruciate ligament in its four states, as a band along a slightly curved line.

It runs from the lateral wall of the notch, high at the back, to the plateau in front of the spines; it is about 30 mm
long and 8 to 11 mm deep in the sagittal plane. How a normal, a partly torn and a completely torn ligament looks: Parkar
and Adriaensen, J Belg Soc Radiol 2016 (PMC6100662); Bordalo-Rodrigues and White, IDKD 2021-2024, chapter 7 (NBK570163).
"""

from dataclasses import dataclass

import numpy as np

from data_prep.labels import FOUR_CLASS
from data_prep.phantom.anatomy import Anatomy
from data_prep.phantom.shapes import Box, Points, Triple
from data_prep.volume import FloatArray

HEALTHY, STRAIN, PARTIAL, COMPLETE = FOUR_CLASS.classes
FEMORAL_END: Triple = (8.5, 6.5, 24.5)
TIBIAL_END: Triple = (-1.5, -6.5, 2.0)
MARGIN_MM = 14.0  # around the two ends: half the depth, the sag of a stump, and the haze
MUCOID_SHARE = 0.1  # share of ligaments that are swollen and grey without a tear; more than in patients, to be learnt
LENGTH_MM = 30.0  # approximate, to convert shares of the length to mm


@dataclass(frozen=True)
class Ligament:
    """One ACL. Lengths are in mm at nominal size.

    Attributes:
        state: A class of `FOUR_CLASS`.
        femoral: The upper end, in the tibia's frame.
        tibial: The lower end, in the tibia's frame.
        depth: Half axis of the section, in the sagittal plane.
        breadth: Half axis of the section, across the sagittal plane.
        bow: How far the centre line is curved.
        wetness: The signal everywhere, from 0 (dark) to 1 (as torn tissue).
        distal: Increase of the wetness towards the tibia.
        stripes: Strength of the fascicles' pattern.
        phases: Phases of the fascicles' pattern.
        where: A tear's middle, as a share of the length from the femoral end.
        gap: A tear's length, as a share of the ligament's.
        torn: Share of the depth that is interrupted.
        torn_side: The side on which the interruption begins: 1 back, -1 front.
        wave: How far a ruptured band's centre line is wavy.
        sag: How far a ruptured band's tibial stump sinks.
        cloud: Amount of blood around the tear, 0 to 1.
        soak: Amount of fluid in the tear, 0 to 1.
    """

    state: str
    femoral: Triple
    tibial: Triple
    depth: float
    breadth: float
    bow: float
    wetness: float
    distal: float
    stripes: float
    phases: tuple[float, float]
    where: float
    gap: float
    torn: float
    torn_side: float
    wave: float
    sag: float
    cloud: float
    soak: float

    @classmethod
    def draw(cls, state: str, anatomy: Anatomy, rng: np.random.Generator) -> "Ligament":
        """A random ligament in the given state (a class of `FOUR_CLASS`)."""
        uniform = rng.uniform
        mucoid = uniform(0.08, 0.25) if rng.random() < MUCOID_SHARE else 0.0
        swelling = {HEALTHY: 1.0 + mucoid, STRAIN: uniform(1.15, 1.5), PARTIAL: uniform(1.1, 1.45), COMPLETE: 1.15}
        wetness = {
            HEALTHY: uniform(0.0, 0.1) + mucoid,
            STRAIN: uniform(0.33, 0.65),
            PARTIAL: uniform(0.12, 0.4),
            COMPLETE: uniform(0.25, 0.7),
        }
        torn = {HEALTHY: 0.0, STRAIN: 0.0, PARTIAL: uniform(0.4, 0.75), COMPLETE: 1.0}
        top = anatomy.femur_to_tibia(_jitter(FEMORAL_END, 1.0, rng))
        return cls(
            state=state,
            femoral=top,
            tibial=_jitter(TIBIAL_END, 1.0, rng),
            depth=uniform(3.6, 4.6) * swelling[state],
            breadth=uniform(2.9, 3.9) * swelling[state],
            bow=uniform(-0.3, 1.2),
            wetness=wetness[state],
            distal=uniform(0.0, 0.25),
            stripes=uniform(0.02, 0.09),
            phases=(uniform(0, 6.28), uniform(0, 6.28)),
            where=float(np.clip(rng.normal(0.4, 0.17), 0.1, 0.8)),
            gap=uniform(0.12, 0.4) if torn[state] else 0.0,
            torn=torn[state],
            torn_side=float(rng.choice((-1.0, 1.0))),
            wave=uniform(0.5, 2.2) if state == COMPLETE else 0.0,
            sag=uniform(0.0, 6.0) if state == COMPLETE else 0.0,
            cloud=uniform(0.3, 1.0) if state == COMPLETE else 0.0,
            soak=uniform(0.0, 0.7) if torn[state] else 0.0,
        )

    def box(self) -> Box:
        """The block of space that holds the ligament and the surroundings of a tear."""
        low = np.minimum(self.femoral, self.tibial) - MARGIN_MM
        high = np.maximum(self.femoral, self.tibial) + MARGIN_MM
        return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def course(self, p: Points, noise: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Coordinates along the ligament. A torn ligament's centre line is wavy, and its tibial stump sinks forward.

        Args:
            p: Points in the tibia's frame.
            noise: Random field that varies the waves.

        Returns:
            (along, across, aside): `along` is 0 at the femur and 1 at the tibia; `across` and `aside` are mm from the
            centre line, in the sagittal plane and out of it.
        """
        start, chord = np.array(self.femoral), np.array(self.tibial) - np.array(self.femoral)
        length = float(np.linalg.norm(chord))
        axis = chord / length
        across_axis = np.cross(axis, (1.0, 0.0, 0.0))
        across_axis /= np.linalg.norm(across_axis)
        aside_axis = np.cross(across_axis, axis)
        offset = [component - np.float32(s) for component, s in zip(p, start, strict=True)]
        along, across, aside = (
            sum((np.float32(a) * o for a, o in zip(direction, offset, strict=True)), np.float32(0))
            for direction in (axis / length, across_axis, aside_axis)
        )
        along = np.asarray(along, np.float32)
        inside = np.clip(along, 0, 1)
        bend = self.bow * np.sin(np.pi * inside) + self.wave * np.sin(9 * inside + 2 * noise)
        stump = np.clip(inside - self.where, 0, 1) * np.clip(1 - inside, 0, 1) * 4
        return along, np.asarray(across - bend - self.sag * stump, np.float32), np.asarray(aside, np.float32)

    def band(self, along: FloatArray, across: FloatArray, aside: FloatArray) -> FloatArray:
        """Distance (mm) to the whole band, torn or not. The band becomes wider towards the tibia."""
        fan = 1 + np.float32(0.45) * np.clip(along - 0.45, 0, 0.7)
        level = np.sqrt((across / (self.depth * fan)) ** 2 + (aside / self.breadth) ** 2 + 1e-6)
        ends = (np.abs(along - 0.5) - 0.62) * 30
        return np.asarray(np.maximum((level - 1) * min(self.depth, self.breadth), ends), np.float32)

    def interruption(self, along: FloatArray, across: FloatArray, noise: FloatArray, grain: FloatArray) -> FloatArray:
        """Distance (mm) to the frayed gap where fibres are missing; positive everywhere in an intact ligament."""
        if not self.torn:
            return np.full_like(along, LENGTH_MM)
        inwards = self.torn_side * across + self.depth
        frayed = (np.abs(along - self.where) - self.gap / 2) * LENGTH_MM + 0.9 * noise + 0.7 * grain
        if self.torn < 1:
            frayed = np.maximum(frayed + 0.3 * inwards, inwards - 2 * self.depth * self.torn + 0.6 * noise)
        return np.asarray(frayed, np.float32)

    def wet_share(self, along: FloatArray, across: FloatArray, noise: FloatArray, grain: FloatArray) -> FloatArray:
        """0 where the signal is a tendon's, 1 where it is torn tissue's.

        It varies with fascicles, and with fat between them near the tibia.
        """
        broad = np.cos(1.3 * across + self.phases[0] + 1.6 * noise)
        fine = np.cos(2.7 * across + self.phases[1] + 3 * along + grain) * np.clip(0.5 + 0.5 * noise, 0, 1)
        rise = self.distal * np.clip(along - 0.3, 0, 1)
        patchy = 0.25 * self.wetness * noise + 0.05 * grain
        return np.asarray(np.clip(self.wetness + self.stripes * (broad + 0.7 * fine) + rise + patchy, 0, 1), np.float32)

    def haze(self, along: FloatArray, across: FloatArray, aside: FloatArray) -> FloatArray:
        """Amount of blood and swelling in and around the tear, 0 to 0.9."""
        near = (along - self.where) ** 2 / 0.08 + (across**2 + aside**2) / 50
        return np.asarray(np.clip(self.cloud * np.exp(-near), 0, 0.9), np.float32)


def _jitter(point: Triple, mm: float, rng: np.random.Generator) -> Triple:
    x, y, z = (float(c + rng.normal(0, mm)) for c in point)
    return x, y, z

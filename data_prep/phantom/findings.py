"""Findings beside the ligament: joint fluid and bone bruises. They occur with every state of the ligament."""

from dataclasses import dataclass

import numpy as np

from data_prep.phantom.shapes import Points, Triple
from data_prep.volume import FloatArray

BRUISED_SHARE = {True: 0.45, False: 0.30}  # for injured and for healthy ligaments: a confounder, not a label


@dataclass(frozen=True)
class Findings:
    """Joint fluid and bone bruises of one knee.

    Attributes:
        effusion: Amount of joint fluid, from 0 (none) to 1 (the joint is tense).
        bruise: Amount of fluid in the marrow, 0 for no bruise.
        femoral_bruise: The bruise's centre in the femur's frame, in mm; lateral, as after a pivot shift.
        tibial_bruise: The bruise's centre in the tibia's frame, in mm; lateral, as after a pivot shift.
        bruise_radius: In mm.
    """

    effusion: float
    bruise: float
    femoral_bruise: Triple
    tibial_bruise: Triple
    bruise_radius: float

    @classmethod
    def draw(cls, injured: bool, rng: np.random.Generator) -> "Findings":
        """Random findings. An injured knee has bruises a little more often, and a little more fluid."""
        uniform = rng.uniform
        bruised = rng.random() < BRUISED_SHARE[injured]
        return cls(
            effusion=float(rng.beta(1.5, 2.0) if injured else rng.beta(1.3, 2.2)),
            bruise=uniform(0.3, 0.9) if bruised else 0.0,
            femoral_bruise=(uniform(14, 26), uniform(-22, 2), uniform(8, 16)),
            tibial_bruise=(uniform(14, 26), uniform(4, 18), uniform(-12, -4)),
            bruise_radius=uniform(6, 11),
        )

    def bruise_share(self, p: Points, centre: Triple, mottle: FloatArray) -> FloatArray:
        """The share of the marrow that is replaced by oedema, 0 to 1, in clouds around a centre."""
        near = sum(
            ((axis - np.float32(c)) / np.float32(self.bruise_radius)) ** 2 for axis, c in zip(p, centre, strict=True)
        )
        cloud = np.float32(self.bruise) * np.exp(-near) * np.clip(0.8 + 0.5 * mottle, 0, 1.3)
        return np.asarray(np.clip(cloud, 0, 1), np.float32)

"""The signal of tissues at 1.5 T: proton density, relaxation times, and the spin-echo signal equation.

T1 and T2 of cartilage, muscle, synovial fluid, fat and marrow: Gold et al., "Musculoskeletal MRI at 3.0 T: relaxation
times and image contrast", AJR 2004;183:343-351, 1.5 T columns. Tendon, ligament, meniscus and cortex have T2 far below
the echo time; their values, and the proton densities, are chosen so that images look like published ones.
"""

from dataclasses import dataclass
from math import exp


@dataclass(frozen=True)
class Tissue:
    """Relative proton density, relaxation times in ms, and the share of its signal that is fat."""

    density: float
    t1_ms: float
    t2_ms: float
    fat: float = 0.0


TISSUES = {
    "air": Tissue(0.0, 1000, 100),
    "skin": Tissue(0.55, 600, 30),
    "fat": Tissue(0.95, 288, 165, fat=0.98),
    "marrow": Tissue(0.85, 288, 165, fat=0.97),
    "oedema": Tissue(0.85, 1200, 90),
    "muscle": Tissue(0.80, 1130, 35.3),
    "cartilage": Tissue(0.85, 1060, 42.1),
    "fluid": Tissue(1.00, 2850, 1210),
    "synovium": Tissue(0.80, 800, 60, fat=0.55),
    "cortex": Tissue(0.10, 1000, 2),
    "tendon": Tissue(0.60, 900, 9),
    "ligament": Tissue(0.65, 900, 14),
    "meniscus": Tissue(0.65, 900, 8),
    "torn": Tissue(0.90, 1300, 85),
    "blood": Tissue(0.75, 1440, 80),
}


def signal(tissue: Tissue, tr_ms: float, te_ms: float, fat_left: float) -> float:
    """S = PD (1 - exp(-TR/T1)) exp(-TE/T2). `fat_left` is the share of the fat's signal that isn't suppressed."""
    visible = 1 - tissue.fat * (1 - fat_left)
    return visible * tissue.density * (1 - exp(-tr_ms / tissue.t1_ms)) * exp(-te_ms / tissue.t2_ms)


def palette(tr_ms: float, te_ms: float, fat_left: float) -> dict[str, float]:
    """The signal of every tissue."""
    return {name: signal(tissue, tr_ms, te_ms, fat_left) for name, tissue in TISSUES.items()}

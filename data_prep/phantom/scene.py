"""Paints a knee from the skin inwards, as a perfect scanner would measure it."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from data_prep.phantom.anatomy import FEMUR_BOX, PATELLA_BOX, TIBIA_BOX, Anatomy
from data_prep.phantom.canvas import FEMUR, PATELLA, TIBIA, Canvas, Signal, Textures, Window
from data_prep.phantom.contrast import palette
from data_prep.phantom.findings import Findings
from data_prep.phantom.ligament import Ligament
from data_prep.phantom.scanner import Scan
from data_prep.phantom.shapes import Box, Points, Triple, ellipsoid, join, meet, tube, tube_box
from data_prep.phantom.tissues import BONES, LabelArray, majority
from data_prep.volume import FloatArray

SUB_SLICES = 3  # number of thin slices that are averaged to a thick one (partial volume effect)
BONE_NAMES = BONES


@dataclass(frozen=True, eq=False)
class Painting:
    """A painted knee. All arrays are `[..., slices, acquired rows, acquired columns]`, float32 but for `tissues`.

    Attributes:
        signal: The ideal signal.
        acl: The share of each voxel that the ligament fills.
        bones: The share of each voxel that each bone fills, in the order of `BONE_NAMES`.
        tissues: Uint8, the index into `TISSUES` of what fills most of each voxel; None if it wasn't asked for.
        fluid: The signal of pure fluid.
    """

    signal: FloatArray
    acl: FloatArray
    bones: FloatArray
    tissues: LabelArray | None
    fluid: float


def paint_knee(
    scan: Scan,
    anatomy: Anatomy,
    ligament: Ligament,
    findings: Findings,
    rng: np.random.Generator,
    record: bool = False,
) -> Painting:
    """Paint a knee: the mean of `SUB_SLICES` thin paintings. `record`: whether the label map is made, too."""
    textures = Textures(scan, rng)
    colours = palette(scan.tr_ms, scan.te_ms, scan.fat_left)
    tissues = Tissues.of(textures, colours)
    painters = [
        Painter(Canvas(scan, anatomy, shift, record), anatomy, ligament, findings, textures, colours, tissues)
        for shift in (np.arange(SUB_SLICES) - (SUB_SLICES - 1) / 2) * scan.thickness_mm / SUB_SLICES
    ]
    for painter in painters:
        painter.paint()
    signal = _mean([painter.canvas.signal for painter in painters])
    acl = _mean([painter.acl for painter in painters])
    bones = _mean([painter.bones for painter in painters])
    thin = [painter.canvas.tissues for painter in painters if painter.canvas.tissues is not None]
    return Painting(signal, acl, bones, majority(thin) if thin else None, colours["fluid"])


def _mean(thin: list[FloatArray]) -> FloatArray:
    """The mean of paintings, which are overwritten."""
    for painting in thin:
        painting *= np.float32(1 / SUB_SLICES)
    for painting in thin[1:]:
        thin[0] += painting
    return thin[0]


@dataclass(frozen=True, eq=False)
class Tissues:
    """Signals of tissues with a texture, float32 `[slices, rows, columns]`: the same on every canvas of a knee."""

    fat: FloatArray
    muscle: FloatArray
    marrow: FloatArray
    cruciate: FloatArray

    @classmethod
    def of(cls, textures: Textures, colours: dict[str, float]) -> "Tissues":
        """The tissues of a knee."""
        septa = np.exp(-((textures.strands + 0.5 * textures.mottle) ** 2) / 0.12)
        return cls(
            fat=colours["fat"] * (1 + 0.12 * textures.mottle + 0.22 * septa) + 0.10 * textures.leak,
            muscle=np.asarray(colours["muscle"] * (1 + 0.11 * textures.strands + 0.05 * textures.mottle), np.float32),
            marrow=colours["marrow"] * (1 + 0.08 * textures.mottle + 0.08 * textures.grain) + 0.05 * textures.leak,
            cruciate=colours["ligament"] * (0.75 + 0.15 * textures.strands),
        )


class Painter:
    """Paints one canvas. Later solids cover earlier ones, so the order in `paint` is part of the anatomy."""

    def __init__(
        self,
        canvas: Canvas,
        anatomy: Anatomy,
        ligament: Ligament,
        findings: Findings,
        textures: Textures,
        colours: dict[str, float],
        tissues: Tissues,
    ) -> None:
        self.canvas, self.anatomy, self.ligament, self.findings = canvas, anatomy, ligament, findings
        self.textures, self.colours, self.tissues = textures, colours, tissues
        self.acl = np.zeros_like(canvas.signal)
        self.bones = np.zeros((len(BONE_NAMES), *canvas.signal.shape), np.float32)

    def paint(self) -> None:
        """Paint everything, from the skin inwards."""
        skin = self.skin_and_fat()
        self.muscles(skin)
        self.vessels()
        self.joint_fluid()
        self.notch_lining()
        self.plateau()
        self.posterior_cruciate()
        self.anterior_cruciate()
        self.femur()
        self.tibia_and_fibula()
        self.patella_and_tendons()
        window = self.canvas.window(self.ligament.box())
        self.acl[window] *= 1 - self.bones[:, *window].max(axis=0)

    def tube(
        self,
        path: list[Triple],
        radii: list[float],
        value: Signal,
        tissue: str,
        flatten: float = 1,
        part: float = TIBIA,
    ) -> None:
        """Paint a tube. `value` is a number, or an array for the whole canvas."""
        window = self.canvas.window(tube_box(path, radii, flatten), part)
        distance = self.canvas.distance(partial(tube, path=path, radii=radii, flatten=flatten), window, part)
        self.canvas.paint(window, distance, value if isinstance(value, float) else value[window], tissue)

    def skin_and_fat(self) -> FloatArray:
        """Paint skin and fat. Returns the distance to the skin, which muscles need."""
        canvas = self.canvas
        everything = canvas.everything()
        skin = canvas.distance(self.leg, everything, step=4)
        canvas.paint(everything, skin, self.colours["skin"], "skin")
        canvas.paint(everything, skin + np.float32(1.5), self.tissues.fat, "fat")
        return skin

    def leg(self, p: Points) -> FloatArray:
        """Distance to the skin: thigh, hollow of the knee, calf, and a bulge over the patella."""
        fat = np.float32(self.anatomy.fat)
        s = np.tanh((p.z - 20) / 45)
        front = -42 - 11 * s - fat
        back = 44 + 5 * s - 6 * np.exp(-(((p.z - 8) / 28) ** 2)) + fat
        rx, ry = 46 + 6 * s + fat, (back - front) / 2
        outline = (np.sqrt((p.x / rx) ** 2 + ((p.y - (front + back) / 2) / ry) ** 2) - 1) * ry
        bulge = ellipsoid(p, (6, -51, 35), (19, 14, 24)) - fat * np.float32(0.4) - np.float32(3)
        return join(np.asarray(outline, np.float32), bulge, 26.0)

    def muscles(self, skin: FloatArray) -> None:
        """Paint the muscles, each within the fascia, which lies `anatomy.fat` mm below the skin."""
        canvas, muscle = self.canvas, self.tissues.muscle
        for path, radii, flatten, part in MUSCLES:
            window = canvas.window(tube_box(path, radii, flatten), part)
            distance = canvas.distance(partial(tube, path=path, radii=radii, flatten=flatten), window, part)
            within = np.maximum(distance, skin[window] + np.float32(self.anatomy.fat))
            canvas.paint(window, within, muscle[window], "muscle")

    def vessels(self) -> None:
        """Paint the popliteal artery, without signal because its blood flows, and the vein, where blood is slow."""
        artery: list[Triple] = [(5, 33, 150), (3, 29, 20), (2, 28, 0), (3, 31, -150)]
        vein: list[Triple] = [(0, 38, 150), (-1, 35, 20), (-1, 34, 0), (0, 36, -150)]
        self.tube(artery, [3.0, 2.8, 2.6, 2.4], self.colours["cortex"], "artery")
        self.tube(vein, [3.0, 2.6, 2.4, 2.4], self.colours["blood"], "vein")

    def joint_fluid(self) -> None:
        """Paint the pouch above the patella, and a patchy film around the cartilage."""
        canvas, amount, fluid = self.canvas, self.findings.effusion, self.colours["fluid"]
        window = canvas.window(Box((-34, -56, -2), (34, 30, 96)), FEMUR)
        ripple = self.textures.mottle[window]
        swell = (17 + 9 * amount, 0.5 + 6.0 * amount, 14 + 16 * amount)
        pouch = canvas.distance(lambda p: ellipsoid(p, (5, -41.5, 64), swell), window, FEMUR)
        canvas.paint(window, pouch + np.float32(0.5) * ripple, fluid, "fluid")
        film = canvas.distance(self.film, window, FEMUR)
        canvas.paint(window, film - np.float32(2.8 * amount) - np.float32(1.3) * ripple, fluid, "fluid")

    def film(self, p: Points) -> FloatArray:
        """Distance to the film of fluid: on the cartilage, in front of the trochlea and behind the condyles."""
        around = self.anatomy.femur(p) - np.float32(self.anatomy.cartilage - 0.3)
        bounds = np.maximum(p.z - 40 + np.float32(0.25) * (p.y + 42), np.abs(p.x) - 26)
        middle = np.minimum(13 - np.abs(p.x), p.y + 16)
        pressed = np.float32(2.0) * np.exp(-(((p.y + 3) / 15) ** 2))  # where the bones press on each other
        return np.asarray(np.maximum(np.maximum(around + pressed, bounds + 3), middle + 2), np.float32)

    def notch_lining(self) -> None:
        """Paint synovium, fat and fluid between the cruciate ligaments, back to the capsule."""
        canvas, amount, textures = self.canvas, self.findings.effusion, self.textures
        window = canvas.window(Box((-15, -16, -7), (15, 23, 32)), FEMUR)
        mottle, grain = np.clip(textures.mottle[window], -1.5, 1.5), textures.grain[window]
        synovium = self.colours["synovium"] * (1 + 0.2 * mottle + 0.12 * grain)
        wet = np.clip(np.float32(0.9 * amount - 0.15) + 0.35 * mottle, 0, 1)
        filling = synovium + wet * (self.colours["fluid"] * 0.9 - synovium)

        def lining(p: Points) -> FloatArray:
            return meet(self.anatomy.notch(p), ellipsoid(p, (0, 3.5, 12), (16, 19, 19)), 4.0)

        distance = canvas.distance(lining, window, FEMUR) + mottle
        canvas.paint(window, distance, filling, "notch lining", edge_mm=2.0)

    def plateau(self) -> None:
        """Paint cartilage and menisci on the tibia."""
        canvas, anatomy = self.canvas, self.anatomy
        window = canvas.window(Box((-40, -28, -10), (40, 30, 12)))
        cartilage = canvas.distance(anatomy.tibial_cartilage, window)
        canvas.paint(window, cartilage, self.colours["cartilage"], "tibial cartilage")
        menisci = canvas.distance(anatomy.meniscus, window, step=2)
        canvas.paint(window, menisci, self.colours["meniscus"], "menisci")

    def posterior_cruciate(self) -> None:
        radii = [4.4, 4.8, 5.0, 5.0, 4.9, 4.7, 4.5, 4.3, 4.0]
        self.tube(self.anatomy.posterior_cruciate(), radii, self.tissues.cruciate, "pcl")

    def anterior_cruciate(self) -> None:
        """Paint the band, then the contents of a tear, then the haze around it."""
        canvas, ligament, torn = self.canvas, self.ligament, self.colours["torn"]
        window = canvas.window(ligament.box())
        noise = self.textures.mottle[window]
        grain = self.textures.grain[window]
        along, across, aside = ligament.course(canvas.points(window), noise)
        band = ligament.band(along, across, aside)
        wet = ligament.wet_share(along, across, noise, grain)
        fibres = self.colours["ligament"] + wet * (torn - self.colours["ligament"])
        self.acl[window] = canvas.paint(window, band, fibres, "acl")
        missing = np.maximum(ligament.interruption(along, across, noise, grain), band)
        soaked = torn + np.clip(ligament.soak + 0.3 * noise, 0, 1) * (self.colours["fluid"] - torn)
        canvas.paint(window, missing, soaked, "acl tear", edge_mm=2.5)
        haze = ligament.haze(along, across, aside)
        canvas.paint(window, band - 5, torn * (0.85 + 0.2 * noise + 0.1 * grain), strength=haze)

    def bone(self, name: str, window: Window, distance: FloatArray, part: float, bruise: Triple | None = None) -> None:
        """Paint cortex, marrow, and a bruise in the marrow."""
        canvas = self.canvas
        filled = canvas.paint(window, distance, self.colours["cortex"], f"{name} cortex")
        self.bones[BONE_NAMES.index(name)][window] = filled
        inside = distance + np.float32(1.2)
        canvas.paint(window, inside, self.tissues.marrow[window], f"{name} marrow")
        if bruise and self.findings.bruise:
            share = self.findings.bruise_share(canvas.points(window, part), bruise, self.textures.mottle[window])
            canvas.paint(window, inside, self.colours["oedema"] * 0.75, f"{name} oedema", share)

    def femur(self) -> None:
        canvas, anatomy = self.canvas, self.anatomy
        window = canvas.window(FEMUR_BOX, FEMUR)
        femur = canvas.distance(anatomy.femur, window, FEMUR)
        cartilage = canvas.distance(anatomy.femoral_cartilage_limits, window, FEMUR)
        layer = np.maximum(femur - np.float32(anatomy.cartilage), cartilage)
        canvas.paint(window, layer, self.colours["cartilage"], "femoral cartilage")
        self.bone("femur", window, femur, FEMUR, self.findings.femoral_bruise)

    def tibia_and_fibula(self) -> None:
        canvas, anatomy = self.canvas, self.anatomy
        window = canvas.window(TIBIA_BOX)
        self.bone("tibia", window, canvas.distance(anatomy.tibia, window), TIBIA, self.findings.tibial_bruise)
        if anatomy.fibula:
            path, radii = anatomy.fibula_path(), [10.5, 7.0, 6.0]
            window = canvas.window(tube_box(path, radii))
            self.bone("fibula", window, canvas.distance(partial(tube, path=path, radii=radii), window), TIBIA)

    def patella_and_tendons(self) -> None:
        canvas, anatomy, tendon = self.canvas, self.anatomy, self.colours["tendon"]
        window = canvas.window(PATELLA_BOX, PATELLA)
        patella = canvas.distance(anatomy.patella, window, PATELLA)
        cartilage = anatomy.patellar_cartilage(canvas.points(window, PATELLA), patella)
        canvas.paint(window, cartilage, self.colours["cartilage"], "patellar cartilage")
        pole, top = 21 + anatomy.patella_height, 54 + anatomy.patella_height
        start = anatomy.femur_to_tibia((6, -54, pole), PATELLA)
        self.tube([start, (5, -35, -14), (5, -26, -36)], [2.4, 2.2, 2.0], tendon, "patellar tendon", flatten=5)
        above: list[Triple] = [(7, -56, top), (6, -50, 90), (6, -46, 150)]
        self.tube(above, [3.0, 3.0, 2.5], tendon, "quadriceps tendon", flatten=5, part=PATELLA)
        self.bone("patella", window, patella, PATELLA)


MUSCLES: tuple[tuple[list[Triple], list[float], float, float], ...] = (
    ([(30, -32, 150), (30, -30, 80), (27, -32, 50)], [26.0, 21.0, 7.0], 1.0, FEMUR),
    ([(-28, -30, 150), (-30, -28, 80), (-29, -31, 38)], [26.0, 23.0, 9.0], 1.0, FEMUR),
    ([(4, -46, 150), (4, -47, 100), (5, -50, 84)], [9.0, 6.0, 3.0], 2.2, FEMUR),
    ([(34, 22, 150), (37, 25, 40), (40, 22, -4)], [20.0, 14.0, 4.0], 1.0, FEMUR),
    ([(-20, 26, 150), (-26, 30, 40), (-30, 24, 0)], [21.0, 15.0, 5.0], 1.2, FEMUR),
    ([(0, 12, 150), (0, 6, 66)], [16.0, 1.5], 1.9, FEMUR),
    ([(-18, 25, 28), (-19, 34, -6), (-20, 36, -150)], [5.0, 13.0, 21.0], 1.1, TIBIA),
    ([(19, 25, 26), (20, 33, -6), (20, 35, -150)], [5.0, 12.0, 19.0], 1.1, TIBIA),
    ([(0, 25, -16), (0, 27, -60), (0, 30, -150)], [4.0, 14.0, 18.0], 1.8, TIBIA),
    ([(25, -10, -24), (24, -8, -60), (22, -8, -150)], [7.0, 14.0, 15.0], 1.0, TIBIA),
)
"""Path, radii, sideways widening and frame of each muscle: vasti, rectus, biceps, semimembranosus, deep thigh, both
heads of gastrocnemius, soleus with popliteus, and tibialis anterior."""

"""Paints a knee, from the skin inwards, on slices of finite thickness.

Each solid covers what was painted before it; at its edge the signals mix by the share of the voxel that it fills.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.phantom.anatomy import CONDYLE_CENTRE, FEMUR_BOX, PATELLA_BOX, TIBIA_BOX, Anatomy
from data_prep.phantom.contrast import palette
from data_prep.phantom.ligament import Ligament
from data_prep.phantom.scanner import Scan, smooth_field
from data_prep.phantom.shapes import Box, Points, Triple, arc, ellipsoid, join, meet, tube, tube_box
from data_prep.volume import FloatArray

SUB_SLICES = 3
EDGE_MM = 0.8  # over which a surface fades: about one acquired pixel
COARSE = 3  # distances are smooth: every third row and column are computed, the others interpolated
BONE_NAMES = ("femur", "tibia", "patella", "fibula")

Window = tuple[slice, slice, slice]
Distance = Callable[[Points], FloatArray]
Signal = float | FloatArray


@dataclass(frozen=True)
class Findings:
    """What else is going on in the knee, whatever the ligament's state; shares from 0 to 1."""

    effusion: float
    bruise: float
    bruise_centres: tuple[Triple, Triple]
    bruise_radius: float

    @classmethod
    def draw(cls, injured: bool, rng: np.random.Generator) -> "Findings":
        """Bruises in 45 % of injured knees and 30 % of others, and a little more fluid: confounders, not labels."""
        uniform = rng.uniform
        bruised = rng.random() < (0.45 if injured else 0.30)
        effusion = rng.beta(1.6, 1.9) if injured else rng.beta(1.3, 2.0)
        femur = (uniform(14, 26), uniform(-22, 2), uniform(8, 16))
        tibia = (uniform(14, 26), uniform(4, 18), uniform(-12, -4))
        return cls(float(effusion), uniform(0.3, 1.0) if bruised else 0.0, (femur, tibia), uniform(6, 11))


class Canvas:
    """One set of thin slices being painted; `signal` float32 `[slices, rows, columns]`.

    axes_mm: where slices, rows and columns lie, along normal, row and column directions, from the block's middle.
    """

    def __init__(self, scan: Scan, anatomy: Anatomy, shift_mm: float) -> None:
        self.scan, self.anatomy = scan, anatomy
        pixel = scan.field_of_view_mm / scan.acquired
        steps = (np.arange(scan.acquired) - (scan.acquired - 1) / 2) * pixel
        across = (np.arange(scan.slices) - (scan.slices - 1) / 2) * scan.spacing_mm + shift_mm
        self.axes_mm = (across, steps, steps)
        self.signal = np.zeros((scan.slices, scan.acquired, scan.acquired), np.float32)
        self.frames = {part: self._frame(part) for part in (0.0, 0.5, 1.0)}

    def _frame(self, part: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(matrix, offset) from (normal, row, column) mm to a frame that follows the femur by `part` of the flexion."""
        scan, anatomy = self.scan, self.anatomy
        shrink = np.diag([1 / (anatomy.size * anatomy.width), 1 / anatomy.size, 1 / anatomy.size])
        to_knee = shrink @ scan.knee_axes.T
        steps = np.stack([scan.normal, scan.directions[1], scan.directions[0]], axis=1)
        matrix, offset = to_knee @ steps, to_knee @ (scan.centre_mm - scan.knee_centre_mm)
        angle = np.radians(anatomy.flexion * part)
        turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        pivot = np.array([0.0, *CONDYLE_CENTRE])
        return turn @ matrix, turn @ (offset - pivot) + pivot

    def window(self, box: Box, part: float = 0.0) -> Window:
        """The voxels around a box of a frame, in whole blocks of `COARSE` rows and columns; may be empty."""
        matrix, offset = self.frames[part]
        corners = np.array(np.meshgrid(*zip(box.low, box.high, strict=True))).reshape(3, -1)
        reach = np.linalg.inv(matrix) @ (corners - offset[:, None])
        spans = []
        for axis, (low, high), block in zip(
            self.axes_mm, zip(reach.min(1), reach.max(1), strict=True), (1, COARSE, COARSE), strict=True
        ):
            start, stop = np.searchsorted(axis, (low - 2 * EDGE_MM, high + 2 * EDGE_MM))
            start -= start % block
            spans.append(slice(int(start), int(min(start + -(-(stop - start) // block) * block, len(axis)))))
        return spans[0], spans[1], spans[2]

    def points(self, window: Window, part: float = 0.0, step: int = 1) -> Points:
        """Coordinates of the voxels of a window, or of the middles of its `step` x `step` blocks."""
        matrix, offset = self.frames[part]
        axes = [axis[span] for axis, span in zip(self.axes_mm, window, strict=True)]
        if step > 1:
            axes[1:] = [_block_middles(axis, step) for axis in axes[1:]]
        w, v, u = (axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :])
        x, y, z = (
            (row[0] * w + row[1] * v + at).astype(np.float32) + (row[2] * u).astype(np.float32)
            for row, at in zip(matrix, offset, strict=True)
        )
        return Points(x, y, z)

    def distance(self, shape: Distance, window: Window, part: float = 0.0, step: int = COARSE) -> FloatArray:
        """A shape's distances in a window, computed on blocks and interpolated."""
        size = tuple(span.stop - span.start for span in window)
        if 0 in size:
            return np.zeros(size, np.float32)
        coarse = shape(self.points(window, part, step))
        if step == 1:
            return coarse
        return np.stack([cv2.resize(plane, (size[2], size[1]), interpolation=cv2.INTER_LINEAR) for plane in coarse])

    def paint(self, window: Window, distance: FloatArray, value: Signal, strength: Signal = 1.0) -> FloatArray:
        """Cover a solid's voxels with a signal; returns the share of each voxel that it fills."""
        share = np.clip(np.float32(0.5) - distance / np.float32(EDGE_MM), 0, 1)
        area = self.signal[window]
        area += share * strength * (value - area)
        return share


def _block_middles(axis: npt.NDArray[np.float64], step: int) -> npt.NDArray[np.float64]:
    """Where cv2.resize puts the samples of an image that is `step` times smaller."""
    blocks = -(-len(axis) // step)
    ratio = len(axis) / blocks
    spacing = axis[1] - axis[0] if len(axis) > 1 else 0.0
    return axis[0] + ((np.arange(blocks) + 0.5) * ratio - 0.5) * spacing


class Textures:
    """Random fields `[slices, rows, columns]` that keep tissues from being flat."""

    def __init__(self, scan: Scan, rng: np.random.Generator) -> None:
        shape = (scan.slices, scan.acquired, scan.acquired)
        self.mottle = smooth_field(shape, (scan.slices // 3, 14, 14), rng)
        self.grain = smooth_field(shape, (scan.slices, 110, 110), rng)
        self.strands = smooth_field(shape, (scan.slices, 12, 60), rng)
        self.leak = smooth_field(shape, (3, 3, 3), rng) if rng.random() < 0.3 else np.zeros(shape, np.float32)


@dataclass(frozen=True, eq=False)
class Painting:
    """The ideal signal and the share of each voxel that ligament and bones (in order of `BONE_NAMES`) fill."""

    signal: FloatArray
    acl: FloatArray
    bones: FloatArray
    fluid: float


def paint_knee(
    scan: Scan, anatomy: Anatomy, ligament: Ligament, findings: Findings, rng: np.random.Generator
) -> Painting:
    """The knee as a perfect scanner would see it, `[slices, acquired, acquired]`."""
    textures = Textures(scan, rng)
    colours = palette(scan.tr_ms, scan.te_ms, scan.fat_left)
    shifts = (np.arange(SUB_SLICES) - (SUB_SLICES - 1) / 2) * scan.thickness_mm / SUB_SLICES
    layers = []
    for shift in shifts:
        painter = _Painter(Canvas(scan, anatomy, shift), anatomy, ligament, findings, textures, colours)
        layers.append(painter.knee())
    signal, acl, bones = (sum(parts[1:], parts[0]) / np.float32(SUB_SLICES) for parts in zip(*layers, strict=True))
    return Painting(signal, acl, bones, colours["fluid"])


class _Painter:
    def __init__(
        self,
        canvas: Canvas,
        anatomy: Anatomy,
        ligament: Ligament,
        findings: Findings,
        textures: Textures,
        colours: dict[str, float],
    ) -> None:
        self.canvas, self.anatomy, self.ligament, self.findings = canvas, anatomy, ligament, findings
        self.textures, self.colours = textures, colours
        self.acl = np.zeros_like(canvas.signal)
        self.bones = np.zeros((len(BONE_NAMES), *canvas.signal.shape), np.float32)

    def knee(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        self.soft_tissue()
        self.joint_fluid()
        self.tibial_side()
        self.cruciates()
        self.femoral_side()
        self.extensor()
        self.acl *= 1 - self.bones.max(axis=0)
        return self.canvas.signal, self.acl, self.bones

    def tube(
        self, path: list[Triple], radii: list[float], value: Signal, flatten: float = 1.0, part: float = 0.0
    ) -> None:
        window = self.canvas.window(tube_box(path, radii, flatten), part)
        distance = self.canvas.distance(lambda p: tube(p, path, radii, flatten), window, part)
        self.canvas.paint(window, distance, value if isinstance(value, float) else value[window])

    def soft_tissue(self) -> None:
        canvas, colours, textures = self.canvas, self.colours, self.textures
        everything: Window = (slice(None), slice(None), slice(None))
        whole = (slice(0, canvas.signal.shape[0]), slice(0, canvas.signal.shape[1]), slice(0, canvas.signal.shape[2]))
        skin = canvas.distance(self.leg, whole, step=4)
        leak = np.float32(0.12) * np.clip(textures.leak, 0, 2)
        fat = colours["fat"] * (1 + 0.12 * textures.mottle + 0.1 * textures.strands) + leak
        canvas.paint(everything, skin, colours["skin"])
        canvas.paint(everything, skin + 1.5, fat)
        muscle = colours["muscle"] * (1 + 0.06 * textures.strands + 0.04 * textures.mottle)
        fascia = np.float32(self.anatomy.fat)
        for path, radii, flatten, part in MUSCLES:
            window = canvas.window(tube_box(path, radii, flatten), part)
            distance = canvas.distance(lambda p, a=path, b=radii, c=flatten: tube(p, a, b, c), window, part)
            canvas.paint(window, np.maximum(distance, skin[window] + fascia), muscle[window])
        self.tube([(5, 33, 150), (3, 28, 20), (2, 27, 0), (3, 31, -150)], [3.0, 3.0, 2.8, 2.5], colours["cortex"])
        self.tube([(0, 38, 150), (-1, 34, 20), (-1, 33, 0), (0, 36, -150)], [3.5, 3.5, 3.3, 3.0], colours["blood"])

    def leg(self, p: Points) -> FloatArray:
        """Distance to the skin: thigh, hollow of the knee, calf, and a bulge over the patella."""
        fat = np.float32(self.anatomy.fat)
        s = np.tanh((p.z - 20) / 45)
        front = -46 - 10 * s - fat
        back = 44 + 5 * s - 5 * np.exp(-(((p.z - 8) / 28) ** 2)) + fat
        rx, ry = 47 + 6 * s + fat, (back - front) / 2
        outline = (np.sqrt((p.x / rx) ** 2 + ((p.y - (front + back) / 2) / ry) ** 2) - 1) * ry
        bulge = ellipsoid(p, (7, -51, 37), (22, 12, 21)) - fat * np.float32(0.4) - 4
        return join(np.asarray(outline, np.float32), bulge, 14.0)

    def joint_fluid(self) -> None:
        canvas, colours, amount = self.canvas, self.colours, self.findings.effusion
        window = canvas.window(Box((-34, -54, -2), (34, 30, 90)), 1.0)
        swell = 0.6 + 6.5 * amount
        pouch = canvas.distance(
            lambda p: ellipsoid(p, (4, -41, 66), (18 + 8 * amount, swell, 16 + 12 * amount)), window, 1.0
        )
        canvas.paint(window, pouch + 0.6 * self.textures.mottle[window], colours["fluid"])

        def recesses(p: Points) -> FloatArray:
            around = np.maximum(self.anatomy.femur(p) - np.float32(1.5 + 2.5 * amount), p.z - 46)
            return np.maximum(around, np.abs(p.x) - 32)

        canvas.paint(
            window, canvas.distance(recesses, window, 1.0) + 0.7 * self.textures.mottle[window], colours["fluid"]
        )
        notch = canvas.window(Box((-14, -16, -2), (14, 26, 32)), 1.0)
        synovium = colours["synovium"] * (1 + 0.25 * self.textures.mottle[notch] + 0.15 * self.textures.grain[notch])
        wet = np.clip(amount * 0.8 + 0.25 * self.textures.mottle[notch], 0, 1)
        filling = synovium + wet * (colours["fluid"] * 0.9 - synovium)
        canvas.paint(notch, canvas.distance(lambda p: self.anatomy.notch(p), notch, 1.0), filling)

    def bone(self, name: str, window: Window, distance: FloatArray, cortex_mm: float, part: float) -> None:
        colours, textures = self.colours, self.textures
        shell = self.canvas.paint(window, distance, colours["cortex"])
        marrow = colours["marrow"] * (1 + 0.10 * textures.mottle[window] + 0.10 * textures.grain[window])
        self.canvas.paint(
            window, distance + np.float32(cortex_mm), marrow + 0.08 * np.clip(textures.leak[window], 0, 2)
        )
        self.bruises(window, distance + np.float32(cortex_mm), part)
        self.bones[BONE_NAMES.index(name)][window] = shell

    def bruises(self, window: Window, inside: FloatArray, part: float) -> None:
        findings = self.findings
        if not findings.bruise or part == 0.5:
            return
        centre = findings.bruise_centres[0 if part == 1.0 else 1]
        radius = findings.bruise_radius
        p = self.canvas.points(window, part)
        near = sum(((axis - np.float32(c)) / np.float32(radius)) ** 2 for axis, c in zip(p, centre, strict=True))
        cloud = findings.bruise * np.exp(-near) * np.clip(0.8 + 0.45 * self.textures.mottle[window], 0, 1)
        self.canvas.paint(window, inside, self.colours["oedema"] * np.float32(0.8), np.clip(cloud, 0, 1))

    def tibial_side(self) -> None:
        canvas, colours, anatomy = self.canvas, self.colours, self.anatomy
        window = canvas.window(TIBIA_BOX)
        joint = canvas.window(Box((-40, -28, -10), (40, 30, 12)))
        canvas.paint(joint, canvas.distance(anatomy.tibial_cartilage, joint), colours["cartilage"])
        canvas.paint(joint, canvas.distance(anatomy.meniscus, joint, step=2), colours["meniscus"])
        self.bone("tibia", window, canvas.distance(anatomy.tibia, window), 1.3, 0.0)
        if anatomy.fibula:
            path, radii = anatomy.fibula_path(), [10.0, 7.0, 6.5]
            window = canvas.window(tube_box(path, radii))
            self.bone("fibula", window, canvas.distance(lambda p: tube(p, path, radii), window), 1.5, 0.5)

    def femoral_side(self) -> None:
        canvas, anatomy = self.canvas, self.anatomy
        window = canvas.window(FEMUR_BOX, 1.0)
        femur = canvas.distance(anatomy.femur, window, 1.0)
        points = canvas.points(window, 1.0)
        canvas.paint(window, anatomy.femoral_cartilage(points, femur), self.colours["cartilage"])
        self.bone("femur", window, femur, 1.2, 1.0)

    def extensor(self) -> None:
        """Patella, and the tendons that hold it."""
        canvas, anatomy, colours = self.canvas, self.anatomy, self.colours
        window = canvas.window(PATELLA_BOX, 0.5)
        patella = canvas.distance(anatomy.patella, window, 0.5)
        points = canvas.points(window, 0.5)
        canvas.paint(window, anatomy.patellar_cartilage(points, patella), colours["cartilage"])
        pole = anatomy.femur_to_tibia((6, -54, 22 + anatomy.patella_height), 0.5)
        self.tube([pole, (5, -37, -16), (5, -28, -36)], [2.3, 2.2, 2.0], colours["tendon"], flatten=5.0)
        top = 54 + anatomy.patella_height
        self.tube(
            [(7, -55, top), (6, -50, 90), (6, -46, 150)], [2.8, 3.0, 2.5], colours["tendon"], flatten=5.0, part=0.5
        )
        self.bone("patella", window, patella, 1.2, 0.5)

    def cruciates(self) -> None:
        colours, textures = self.colours, self.textures
        posterior = colours["tendon"] * 1.2 + 0.03 * textures.strands * colours["muscle"]
        self.tube(self.anatomy.posterior_cruciate(), [4.5, 5, 5.2, 5.2, 5.0, 4.8, 4.6, 4.4, 4.2], posterior)
        self.anterior_cruciate()

    def anterior_cruciate(self) -> None:
        canvas, colours, ligament = self.canvas, self.colours, self.ligament
        window = canvas.window(ligament.box())
        noise, grain = self.textures.mottle[window], self.textures.grain[window]
        along, across, aside = ligament.course(canvas.points(window), noise)
        band = ligament.band(along, across, aside)
        wet = ligament.wet_share(along, across, noise + 0.3 * grain)
        value = colours["ligament"] + wet * (colours["torn"] - colours["ligament"])
        share = canvas.paint(window, band, value)
        missing = np.maximum(ligament.interruption(along, across, 0.6 * noise + 0.3 * grain), band)
        wetter = colours["torn"] + np.clip(0.4 + 0.3 * noise, 0, 1) * (colours["fluid"] - colours["torn"])
        canvas.paint(window, missing, wetter)
        if ligament.cloud:
            haze = np.exp(-((along - ligament.where) ** 2) / 0.08 - (across**2 + aside**2) / 50) * ligament.cloud
            canvas.paint(window, band - 5, colours["torn"] * (0.9 + 0.15 * noise), np.clip(haze, 0, 0.9))
        self.acl[window] = share


MUSCLES: tuple[tuple[list[Triple], list[float], float, float], ...] = (
    ([(30, -34, 150), (30, -30, 80), (27, -32, 52)], [24.0, 19.0, 7.0], 1.0, 1.0),
    ([(-28, -32, 150), (-30, -28, 80), (-29, -31, 42)], [24.0, 21.0, 9.0], 1.0, 1.0),
    ([(4, -46, 150), (4, -47, 100), (5, -50, 84)], [9.0, 6.0, 3.0], 2.2, 1.0),
    ([(34, 24, 150), (37, 25, 40), (40, 22, -4)], [17.0, 13.0, 4.0], 1.0, 1.0),
    ([(-20, 28, 150), (-26, 30, 40), (-30, 24, 0)], [18.0, 14.0, 5.0], 1.2, 1.0),
    ([(0, 14, 150), (0, 12, 95)], [15.0, 9.0], 1.8, 1.0),
    ([(-18, 26, 26), (-19, 34, -10), (-20, 36, -150)], [6.0, 13.0, 19.0], 1.1, 0.0),
    ([(19, 26, 24), (20, 33, -10), (20, 35, -150)], [6.0, 12.0, 17.0], 1.1, 0.0),
    ([(0, 26, -14), (0, 28, -60), (0, 30, -150)], [5.0, 14.0, 18.0], 1.6, 0.0),
    ([(24, -10, -24), (24, -8, -60), (22, -8, -150)], [7.0, 13.0, 14.0], 1.0, 0.0),
)
"""Path, radii, sideways widening and frame (1: femur's, 0: tibia's) of vasti, rectus, biceps, semimembranosus, deep
thigh, both heads of gastrocnemius, soleus with popliteus, and tibialis anterior."""

"""One knee's bones, cartilage and menisci as smooth solids, in millimetres of a knee of nominal size.

Coordinates are in the tibia's frame: x lateral, y back, z up; the origin is the middle of the tibial plateau. The femur
has its own frame, turned by the flexion about the axis through the condyles' centres; at 0 degrees the two frames are
the same.

Measured on the label maps of two real right knees (PyPI source distribution of mskt 0.1.22; 0.365 x 0.365 x 0.7 mm),
the smaller and the larger one: femur 76 and 87 mm wide, condyles 61 and 66 mm deep, posterior condyles of radius 18 and
22 mm; plateau 71 and 81 mm wide, 48 and 55 mm deep, sloping backwards by 0 to 9 degrees, eminence 6 to 8 mm high;
patella 42 x 39 x 21 and 46 x 44 x 23 mm; notch about 20 mm wide and 27 mm deep; 4 to 6 mm between the bones. The shapes
below are those of the smaller knee; the range of `size` includes both.
"""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np

from data_prep.phantom.shapes import Box, Points, Triple, arc, cut, ellipsoid, join, meet, tube
from data_prep.volume import FloatArray

CONDYLE_CENTRE = (1.0, 23.0)  # y, z: the axis that the femur flexes about
FEMUR_BOX = Box((-46, -52, 0), (46, 28, 150))
TIBIA_BOX = Box((-42, -36, -150), (42, 32, 14))
PATELLA_BOX = Box((-20, -66, 10), (34, -36, 64))


@dataclass(frozen=True)
class Anatomy:
    """What differs from knee to knee; lengths in mm at nominal size, angles in degrees."""

    size: float
    width: float
    flexion: float
    slope: float
    notch_width: float
    roof_angle: float
    condyle_radius: float
    condyle_offset: float
    cartilage: float
    eminence: float
    patella_height: float
    fat: float
    fibula: bool

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Anatomy":
        """A random knee."""
        return cls(
            size=float(np.clip(rng.normal(1.06, 0.06), 0.93, 1.2)),
            width=float(rng.normal(1.0, 0.025)),
            flexion=float(np.clip(rng.normal(5, 5), -3, 18)),
            slope=float(np.clip(rng.normal(6, 2.5), 0, 12)),
            notch_width=float(np.clip(rng.normal(19.5, 1.5), 16, 24)),
            roof_angle=float(np.clip(rng.normal(35, 4), 26, 44)),
            condyle_radius=float(rng.normal(18.5, 0.8)),
            condyle_offset=float(rng.normal(20.5, 0.7)),
            cartilage=float(rng.uniform(1.5, 2.6)),
            eminence=float(rng.uniform(5.5, 8.5)),
            patella_height=float(rng.normal(0, 3)),
            fat=float(np.clip(rng.gamma(4, 2.0), 3, 18)),
            fibula=bool(rng.random() < 0.9),
        )

    def femur_to_tibia(self, point: Triple, part: float = 1.0) -> Triple:
        """Convert a point from the femur's frame to the tibia's.

        Args:
            point: (x, y, z) in mm.
            part: Share of the flexion. It is below 1 for structures that follow the femur only partly.
        """
        angle = radians(self.flexion * part)
        (yc, zc), (x, y, z) = CONDYLE_CENTRE, point
        dy, dz = y - yc, z - zc
        return x, yc + cos(angle) * dy + sin(angle) * dz, zc - sin(angle) * dy + cos(angle) * dz

    def notch(self, p: Points) -> FloatArray:
        """The intercondylar notch: a slot that is open downwards and backwards, under its roof (Blumensaat's line)."""
        steep = radians(self.roof_angle)
        behind_roof = (p.y + 11) * np.float32(cos(steep)) - (p.z - 8) * np.float32(sin(steep))
        half = np.float32(self.notch_width / 2) - np.maximum(p.z - 8, 0) * np.float32(0.1)
        return meet(np.abs(p.x) - half, -behind_roof, 9.0)

    def femur(self, p: Points) -> FloatArray:
        """Both condyles, trochlea, metaphysis and shaft, without the notch."""
        radius, offset = self.condyle_radius, self.condyle_offset
        yc, zc = CONDYLE_CENTRE
        aside = (np.abs(p.x) - np.float32(offset)) / np.float32(14)
        side = Points(offset + 14 * aside * np.abs(aside), p.y, p.z)  # flat flanks: a power of 4 across, of 2 around
        bone = ellipsoid(side, (offset, yc, zc), (14, radius + 1, radius))
        bone = join(bone, ellipsoid(side, (offset, -6, 28.5), (14, 24.5, 24)), 5.0)
        mirrored = Points(np.abs(p.x), p.y, p.z)
        bone = join(bone, ellipsoid(mirrored, (12, -15, 32), (18, 27.5, 25)), 6.0)
        bone = join(bone, ellipsoid(mirrored, (23, -3, 28), (15, 14, 15)), 5.0)
        shaft = tube(p, [(1, -17, 41), (4, -19.5, 64), (5, -21, 175)], [21, 14.5, 13], flatten=1.25)
        bone = join(bone, shaft, 10.0)
        groove = tube(p, [(2, -50, 52), (1, -48, 28), (0, -41, 4)], [9, 8, 8])
        return cut(cut(bone, groove, 6.0), self.notch(p), 3.0)

    def femoral_cartilage_limits(self, p: Points) -> FloatArray:
        """The covered part of the femur: outside the notch, and below a plane.

        The plane goes from the trochlea's top to the condyles' back.
        """
        below = (p.z - 44) + np.float32(0.15) * (p.y + 42)
        flanks = np.abs(p.x) - np.float32(self.condyle_offset + 10)
        return meet(np.maximum(below, flanks), np.float32(1.0) - self.notch(p), 1.0)

    def plateau_height(self, p: Points) -> FloatArray:
        """z of the tibia's upper surface: backward slope, medially hollow, laterally domed, eminence, tibial spines."""
        slope = np.float32(-np.tan(radians(self.slope)))
        hollow = np.float32(0.004) * ((np.abs(p.x) - 20) ** 2 + (p.y - 2) ** 2) * np.where(p.x < 0, 1.0, -0.25)
        spines = np.exp(-((np.abs(p.x) - 5.5) ** 2) / 14 - (p.y - 3) ** 2 / 60)
        facet = np.exp(-(p.x**2) / 50) * np.clip(p.y - 14, 0, None)
        front = np.exp(-(p.x**2) / 60) * np.clip(-p.y - 14, 0, 8)
        rise = np.minimum(hollow, 3.0) + np.float32(self.eminence) * spines - 0.6 * facet - 0.35 * front
        return np.asarray(slope * (p.y + 6) + rise - 0.5, np.float32)

    def tibia(self, p: Points) -> FloatArray:
        """Plateau, flare, shaft and tuberosity."""
        depth = np.clip((-p.z - 6) / 48, 0, 1)
        depth = depth * depth * (3 - 2 * depth)
        rx, ry = 36 - depth * np.float32(21.5), 24.5 - depth * np.float32(9)
        middle = 1.5 - depth * np.float32(2.5)
        oval = np.cbrt(np.abs(p.x / rx) ** 3 + np.abs((p.y - middle) / ry) ** 3)
        sides = np.asarray((oval - 1) * np.minimum(rx, ry), np.float32)
        bone = meet(sides, p.z - self.plateau_height(p), 5.0)
        tuberosity = tube(p, [(5, -14, -18), (4, -9, -110)], [8.0, 8.0])
        return join(bone, tuberosity, 10.0)

    def tibial_cartilage(self, p: Points) -> FloatArray:
        """A layer on each half of the plateau, but not between the spines."""
        above = p.z - self.plateau_height(p)
        oval = self._compartment(p)
        return np.asarray(np.maximum(np.abs(above - 1) - self.cartilage / 2, (oval - 0.92) * 14), np.float32)

    def meniscus(self, p: Points) -> FloatArray:
        """Two rings with a wedge-shaped section on the rims of the plateau, open towards the middle."""
        above = p.z - self.plateau_height(p)
        oval = self._compartment(p)
        wedge = above - 1.0 - (oval - 0.55) * 15
        ring = np.maximum(np.maximum(wedge, (oval - 1.03) * 15), -above - 0.5)
        opening = 9.0 - np.abs(p.x) - np.abs(p.y - 2) * np.float32(0.3)
        return np.asarray(np.maximum(ring, opening), np.float32)

    def _compartment(self, p: Points) -> FloatArray:
        """1 on the outline of each half of the plateau, 0 in its middle."""
        longer = np.where(p.x < 0, np.float32(22.5), np.float32(19.5))
        return np.asarray(np.sqrt(((np.abs(p.x) - 20) / 14.5) ** 2 + ((p.y - 2.5) / longer) ** 2), np.float32)

    def patella(self, p: Points) -> FloatArray:
        """A lens with a flat front and a ridge at its back."""
        body = ellipsoid(p, (7, -50.5, 37 + self.patella_height), (21.5, 14.0, 20.5))
        facets = (np.abs(p.x - 5) * np.float32(0.28) + p.y + np.float32(42.0)) * np.float32(0.96)
        return meet(meet(body, -62.5 - p.y, 7.0), facets, 4.0)

    def patellar_cartilage(self, p: Points, patella: FloatArray) -> FloatArray:
        """A layer at the patella's back, except near its lower pole."""
        bounds = np.maximum(-p.y - 49, np.abs(p.z - 39 - self.patella_height) - 14)
        return np.asarray(np.maximum(patella - self.cartilage * 1.25, bounds), np.float32)

    def fibula_path(self) -> list[Triple]:
        """Centre line of the fibula from its head down."""
        return [(36, 22, -16), (36, 22, -32), (33, 18, -150)]

    def posterior_cruciate(self) -> list[Triple]:
        """Centre line of the ligament: an arc from the medial condyle's notch wall back and down behind the plateau."""
        return arc(self.femur_to_tibia((-8.0, -5.0, 17.0)), (-3.0, 22.0, 24.0), (1.0, 24.5, -7.0))

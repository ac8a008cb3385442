"""All ranges that samples are drawn from, in one place, so that a preset can change them.

Where SynthSeg (Billot et al., Medical Image Analysis 86, 2023, doi:10.1016/j.media.2023.102789) has a figure for the
same thing, it is named, as its published training script has it. That network sees whole heads; knees are seen in more
fields of view, orientations and thicknesses, so those ranges are wider here.
"""

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """What is drawn for each sample. Ranges are (low, high) of uniform draws; names of probabilities end in `_share`.

    Attributes:
        with_ligament_share: Slices that show the ligament; the others come from anywhere in the knee.
        thickness_mm: Thickness of a slice: neighbouring slices of the label map are mixed.
        tight_mm: Width of the field of view of tight crops, such as published figures and regions of interest.
        usual_mm: Width of usual fields of view.
        wide_mm: Width of fields of view that show the leg; what lies outside of the label map is empty.
        tight_share: Samples with a tight field of view.
        wide_share: Samples with a wide one.
        off_centre: Largest distance of the picture's middle from the ligament's, as a share of the field of view.
        rotation_degrees: SynthSeg: 15 to either side.
        scale: Factor of rows and of columns, each; SynthSeg: 0.85 to 1.15.
        shear_degrees: SynthSeg: a slope of 0.012, 0.7 degrees.
        bend_mm: Largest distance that a smooth bend moves a point; SynthSeg: standard deviation of 3 mm.
        turned_share: Samples in one of the eight orientations of a square, at random; the others have the front at the
            left and the head at the top.
        random_share: Samples whose tissues have random grey values; the others have a contrast of a scanner.
        grey: Random grey values; SynthSeg: 25 to 225 of 255.
        texture: Standard deviation of the grey values within a tissue; SynthSeg: 5 to 25 of 255.
        relaxation: Standard deviation of the logarithm of each tissue's proton density, T1 and T2.
        wet_share: Ligaments with more signal than tendons have.
        fade_share: Ligaments one side of which looks more and more like what lies beside them.
        unsuppressed_share: Fat-suppressed samples with areas where fat isn't suppressed.
        bias: Largest logarithm of the coil's shading; SynthSeg: standard deviation of 0.5.
        low_matrix: How many times fewer pixels than the picture's are measured, along rows and columns each.
        blur_pixels: Standard deviation of a blur.
        noise: Standard deviation of the noise in each channel, of a picture in 0..1. Little noise is drawn more often.
        gamma: Standard deviation of the exponent's logarithm.
        ghost_share: Samples with ghosts along one direction.
        ghost: Strength of a ghost.
        void_share: Samples with dark or bright spots in any place, such as metal, cysts and vessels.
        window_low: Percentiles of the picture that become 0.
        window_high: Percentiles of the picture that become 1.
        border_share: Samples with empty borders, such as letterboxes.
        border: Width of a border, as a share of the picture.
        text_share: Samples with text, a scale or a frame at the edges.
        arrow_share: Samples with arrows, such as published figures.
        jpeg_share: Samples that were compressed.
        jpeg_quality: OpenCV's scale of 0 to 100.
    """

    with_ligament_share: float = 0.8
    thickness_mm: Range = (2.0, 6.0)
    tight_mm: Range = (48.0, 100.0)
    usual_mm: Range = (100.0, 180.0)
    wide_mm: Range = (180.0, 230.0)
    tight_share: float = 0.3
    wide_share: float = 0.15
    off_centre: float = 0.17
    rotation_degrees: Range = (-25.0, 25.0)
    scale: Range = (0.85, 1.18)
    shear_degrees: Range = (-8.0, 8.0)
    bend_mm: Range = (0.0, 9.0)
    turned_share: float = 0.4
    random_share: float = 0.35
    grey: Range = (0.1, 0.9)
    texture: Range = (0.02, 0.1)
    relaxation: float = 0.25
    wet_share: float = 0.5
    fade_share: float = 0.5
    unsuppressed_share: float = 0.25
    bias: Range = (0.0, 0.8)
    low_matrix: Range = (1.0, 2.2)
    blur_pixels: Range = (0.0, 1.0)
    noise: Range = (0.0, 0.1)
    gamma: float = 0.35
    ghost_share: float = 0.15
    ghost: Range = (0.03, 0.15)
    void_share: float = 0.2
    window_low: Range = (0.0, 3.0)
    window_high: Range = (93.0, 99.9)
    border_share: float = 0.15
    border: Range = (0.02, 0.2)
    text_share: float = 0.2
    arrow_share: float = 0.08
    jpeg_share: float = 0.3
    jpeg_quality: Range = (25.0, 95.0)

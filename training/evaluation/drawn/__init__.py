"""Ligaments that were drawn by hand on real exams, to measure segmenters on. README.txt says who drew them.

Only masks are kept here, never pixels.
"""

from training.evaluation.drawn.drawing import Drawing, drawings

__all__ = ["Drawing", "drawings"]

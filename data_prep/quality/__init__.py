"""The quality screen: what a reader would send an exam back for, measured and said with a reason.

`screen` looks at a volume, `flag_of` at the error of a study that couldn't be read as one.
"""

from data_prep.quality.flag import Flag, flag_of
from data_prep.quality.screen import KINDS, screen

__all__ = ["KINDS", "Flag", "flag_of", "screen"]

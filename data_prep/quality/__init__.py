"""The quality screen: measures faults for which a reader would reject an exam, and reports each with a reason.

`screen` checks a volume. `flag_of` makes a flag from the error of a study that couldn't be read as a volume.
"""

from data_prep.quality.flag import Flag, flag_of
from data_prep.quality.screen import KINDS, screen

__all__ = ["KINDS", "Flag", "flag_of", "screen"]

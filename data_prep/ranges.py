"""Ranges of settings, as types: where a TOML or JSON file is checked (pydantic), a value outside is named with its key.

None of them takes infinity or what is no number; whole numbers aren't made of true and false.
"""

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1, strict=True)]
CountFromZero = Annotated[int, Field(ge=0, strict=True)]
# What NumPy, Python and TensorFlow take as a seed; repeats and restarts count on from it.
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
FromZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# From 0 to below 1: a share that leaves something over.
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]

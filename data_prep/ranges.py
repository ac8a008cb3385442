"""Ranges of settings, as types: when pydantic checks a TOML or JSON file, its error names the key of a wrong value.

None of them accepts infinity or NaN. Whole numbers don't accept true and false.
"""

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1, strict=True)]
CountFromZero = Annotated[int, Field(ge=0, strict=True)]
# NumPy, Python and TensorFlow all accept these seeds; repeats and restarts use the following numbers.
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
FromZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# From 0 to below 1: a share that isn't everything.
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]

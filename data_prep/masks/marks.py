"""What the values or colours of a mask mark. What is ambiguous is refused, never guessed."""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from data_prep.masks.files import Numbers
from data_prep.masks.structures import Shows
from data_prep.tables import decimal

Mask = npt.NDArray[np.bool_]
# More colours than a drawing has: those of a picture.
MOST_DRAWN = 16
# That a sentence names.
MOST_NAMED = 6
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
_ABOVE = ">"


def marked(mask: Numbers, shows: Shows) -> dict[str, Mask]:
    """Where each structure lies in a mask of numbers, by its values.

    Args:
        mask: numbers or bools of any shape; 0 is the background.
        shows: what the mask shows.

    Returns:
        A bool array of the same shape for each structure.

    Raises:
        ValueError: the values have no clear meaning; the message says which, without the file's name.
    """
    values = mask.astype(np.uint8) if mask.dtype == np.bool_ else mask
    levels = np.unique(values)
    if shows.meanings:
        return _by_meaning(values, levels, shows)
    if len(levels) > 2 or (len(levels) == 2 and levels[0] != 0):
        raise ValueError(_between(levels, shows))
    return {shows.only: np.asarray(values != 0)}


def marked_in_picture(picture: npt.NDArray[np.uint8 | np.uint16], shows: Shows) -> dict[str, Mask]:
    """Where each structure lies in a picture `[R, C]` or `[R, C, 3 or 4]` (red, green, blue, opacity).

    Black and transparent are the background. A picture whose opacity alone has two values is marked by its opacity.

    Args:
        picture: the mask as a picture.
        shows: what it shows; its keys are grey values, or colours such as `#ff0000`.

    Returns:
        A bool array `[R, C]` for each structure.

    Raises:
        ValueError: the colours have no clear meaning; the message says which, without the file's name.
    """
    if picture.ndim == 2:
        return marked(picture, shows)
    visible = _visible(picture)
    if not np.ptp(visible, axis=2).any():
        return marked(visible[..., 0], shows)
    codes = visible.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    levels = np.unique(codes)
    if shows.meanings:
        return _by_colour(codes, levels, shows)
    if len(levels) <= 2 and levels[0] == 0:
        return {shows.only: codes != 0}
    if len(levels) > MOST_DRAWN:
        raise ValueError(f"it has {len(levels)} colours, so it is smoothed, or was saved as JPEG, or is no mask")
    drawn = "|".join(f"{_hex(level)}=..." for level in levels if level)
    raise ValueError(f"it has several colours, and it isn't clear what each marks; write {drawn} in column structure")


def _visible(picture: npt.NDArray[np.uint8 | np.uint16]) -> npt.NDArray[np.uint8]:
    """The picture as it is seen on black, uint8 `[R, C, 3]`; of a mask in the opacity, white where it marks."""
    eight = (picture // 257 if picture.dtype == np.uint16 else picture).astype(np.uint8)
    colours = eight[..., :3]
    if eight.shape[2] == 3 or not np.ptp(eight[..., 3]):
        return colours
    opacity = eight[..., 3]
    seen = opacity > 0
    drawn_in_colours = len(np.unique(colours.reshape(-1, 3), axis=0)) <= MOST_DRAWN
    if not drawn_in_colours or not colours[seen].any():
        return np.repeat(opacity[..., None], 3, axis=2)
    hidden = {tuple(colour) for colour in np.unique(colours[~seen], axis=0)} - {(0, 0, 0), (255, 255, 255)}
    shown = {tuple(colour) for colour in np.unique(colours[seen], axis=0)}
    if hidden & shown and len(shown) > 1:
        raise ValueError("its colours mark one region and its transparency another; save it without transparency")
    blended = colours * (opacity[..., None] / 255)
    return np.asarray(np.round(blended), np.uint8)


def _by_meaning(values: Numbers, levels: Numbers, shows: Shows) -> dict[str, Mask]:
    """By values that column structure names: numbers, or one threshold."""
    found = {structure: np.zeros(values.shape, np.bool_) for structure in shows.named}
    above = [(key, structure) for key, structure in shows.meanings if key.startswith(_ABOVE)]
    if above:
        if len(shows.meanings) > 1 or above[0][1] is None:
            raise ValueError(
                f"column structure has a threshold ({above[0][0]}) that isn't alone, or names no structure"
            )
        return {above[0][1]: np.asarray(np.greater(values, _number(above[0][0].removeprefix(_ABOVE))))}
    meanings = {_number(key): structure for key, structure in shows.meanings}
    unknown = [level for level in levels if level != 0 and float(level) not in meanings]
    _refuse_unknown(map(_plain, unknown), len(unknown), shows)
    for value, structure in meanings.items():
        if structure:
            found[structure] |= np.asarray(values == value)
    return found


def _by_colour(codes: npt.NDArray[np.int64], levels: npt.NDArray[np.int64], shows: Shows) -> dict[str, Mask]:
    if wrong := [key for key, _ in shows.meanings if not _COLOUR.fullmatch(key)]:
        raise ValueError(f"it is coloured, so column structure names colours such as #ff0000, not {wrong[0]}")
    meanings = {int(key[1:], 16): structure for key, structure in shows.meanings}
    unknown = [level for level in levels if level and level not in meanings]
    _refuse_unknown(map(_hex, unknown), len(unknown), shows)
    found = {structure: np.zeros(codes.shape, np.bool_) for structure in shows.named}
    for code, structure in meanings.items():
        if structure:
            found[structure] |= codes == code
    return found


def _refuse_unknown(names: Iterable[str], count: int, shows: Shows) -> None:
    if not count:
        return
    first = next(iter(names))
    others = f" and {count - 1} others" if count > 1 else ""
    raise ValueError(f"column structure ({shows}) doesn't name its value {first}{others}; {first}=skip leaves it out")


def _number(key: str) -> float:
    try:
        return float(int(key[1:3], 16)) if _COLOUR.fullmatch(key) and len(set(_pairs(key))) == 1 else decimal(key)
    except ValueError:
        raise ValueError(f"column structure names {key!r}, which is none of its values") from None


def _pairs(key: str) -> list[str]:
    return [key[start : start + 2].lower() for start in (1, 3, 5)]


def _between(levels: Numbers, shows: Shows) -> str:
    """Why values aren't those of a mask of one structure, and what to do."""
    threshold = f">{_plain(levels[-1] / 2 if levels.dtype.kind == 'f' else levels[-1] // 2)}={shows.only}"
    if len(levels) == 2:
        low, high = map(_plain, levels)
        return (
            f"its values are {low} and {high}, neither is 0; write {low}=skip|{high}={shows.only} in column structure"
        )
    if len(levels) <= MOST_DRAWN:
        values = ", ".join(map(_plain, levels[:MOST_NAMED])) + (" ..." if len(levels) > MOST_NAMED else "")
        return (
            f"it has the values {values}; write in column structure what each shows, such as 1=femur|2=tibia, or "
            f"{threshold} if only its edges are smoothed"
        )
    return (
        f"it has {len(levels)} grey values between, so its edges are smoothed, or it was saved as JPEG, or it is no "
        f"mask; save it with two values as PNG, or write {threshold} in column structure"
    )


def _plain(value: float) -> str:
    return f"{float(value):g}"


def _hex(code: int) -> str:
    return f"#{int(code):06x}"

"""DICOM JSON (PS3.18 annex F) that isn't written by pydicom."""

from functools import cache

from pydicom.datadict import dictionary_VR

from app.contract.json_text import Json
from app.store.index.keys import tag


def element(keyword: str, *values: object) -> Json:
    """A JSON object with one attribute. Its VR is from the dictionary; sequence items are JSON objects."""
    key, vr = _described(keyword)
    return {key: {"vr": vr, "Value": list(values)} if values else {"vr": vr}}


@cache
def _described(keyword: str) -> tuple[str, str]:
    """Tag and VR. A page of a search has hundreds of elements, and pydicom's dictionary is slow."""
    return tag(keyword), dictionary_VR(keyword)

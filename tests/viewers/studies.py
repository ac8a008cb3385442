"""The studies that viewers are tried with: three synthetic knees, and a real scanner's series of eight echoes.

The synthetic knees are torn, healthy, and torn with two echoes in one series.

They are sent to a running service by STOW-RS. `Answered` is what the service then says of one of them.
"""

import io
import json
import os
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset

from app.client import RunningService
from app.demo import SEED, TRUTH
from data_prep.phantom import generate
from data_prep.phantom.dicom_out import instance
from tests.app.dicomweb.messages import RELATED, body
from tests.viewers.screen import Picture

# The time for a prediction and its results, on a busy machine.
RESULTS_S = 600.0
POLL_S = 0.5
# SeriesDescription of a result begins with this word, then names its kind.
OURS = "Cruciate"
# Other knees than the torn one, so that a viewer doesn't take them for studies of one patient.
HEALTHY_SEED, ECHOES_SEED = 1, 20_261_130
REAL = "ge-mr750-mese.tar.xz"
STUDIES = ("torn", "healthy", "echoes", "real")
# Of a series with several echoes, the echo that is nearer to the usual echo time is predicted on: this one is later.
LATER_ECHO_MS = 90.0


@dataclass(frozen=True, eq=False)
class Answered:
    """A study with its results.

    Attributes:
        name: What the study is, of `STUDIES`.
        uid: Its StudyInstanceUID.
        answer: The answer as JSON.
        peak_mm: Where the explained class's map is highest, in the patient's coordinates, `[3]`.
        peak_slice: The SOPInstanceUID of the slice with this peak.
        results: SeriesInstanceUID of each result, by its kind.
        key_image: The pixels of the key image, RGB.
        report: The structured report.
    """

    name: str
    uid: str
    answer: dict[str, Any]
    peak_mm: npt.NDArray[np.float64]
    peak_slice: str
    results: dict[str, str]
    key_image: Picture
    report: Dataset

    @property
    def glows(self) -> bool:
        """Whether the evidence reaches the threshold, so that pictures are coloured."""
        scale = self.answer["explanation"]["scale"]
        return bool(scale["peak"] >= scale["threshold"])

    @property
    def decisive(self) -> str:
        """The SOPInstanceUID of the image that the report's first coordinates are on."""
        return next(_images_of_coordinates(self.report))


def synthetic(label: str, seed: int) -> list[Dataset]:
    """The instances of a synthetic knee of a class."""
    knee = generate(seed, label)
    return [instance(knee, index) for index in range(knee.scan.slices)]


def two_echoes(seed: int) -> list[Dataset]:
    """A torn synthetic knee as a series with two images at each position; the later echo is darker."""
    first, later = synthetic(TRUTH, seed), synthetic(TRUTH, seed)
    for image in first:
        image.EchoNumbers = 1
    for image in later:
        image.EchoNumbers, image.EchoTime = 2, LATER_ECHO_MS
        image.InstanceNumber += len(first)
        image.SOPInstanceUID += "2"
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.PixelData = (image.pixel_array // 2).tobytes()
    return [*first, *later]


def real() -> list[Dataset]:
    """The instances of the real series; none if it isn't on this machine."""
    folder = os.environ.get("CRUCIATE_REAL_KNEE")
    if not folder:
        return []
    with tarfile.open(Path(folder) / REAL) as archive:
        files = [archive.extractfile(member) for member in archive if member.isfile()]
        return [pydicom.dcmread(io.BytesIO(file.read())) for file in files if file]


def made(names: Sequence[str]) -> dict[str, list[Dataset]]:
    """The studies of these names, without the real ones if they aren't on this machine."""
    return {name: datasets for name in names if (datasets := _made(name))}


def _made(name: str) -> list[Dataset]:
    if name == "real":
        return real()
    if name == "echoes":
        return two_echoes(ECHOES_SEED)
    return synthetic(TRUTH, SEED) if name == "torn" else synthetic("healthy", HEALTHY_SEED)


def answered(service: RunningService, name: str, datasets: list[Dataset]) -> Answered:
    """Send a study, and wait for its results in the service's DICOMweb."""
    uid = str(datasets[0].StudyInstanceUID)
    service.ask("POST", "/dicom-web/studies", body([_file(dataset) for dataset in datasets]), {"Content-Type": RELATED})
    answer = _waited_for(lambda: _done(service, uid), f"the prediction on the {name} study")
    _waited_for(lambda: _delivered(service, answer["id"]), f"the results of the {name} study")
    place = f"/v1/predictions/{answer['id']}"
    archive = service.ask("GET", f"{place}/map.npz")
    with np.load(io.BytesIO(archive)) as arrays:
        index, row, column = map(int, np.unravel_index(int(arrays["map"].argmax()), arrays["map"].shape))
    peak_slice = answer["explanation"]["slices"][index]["sop_uid"]
    source = next(dataset for dataset in datasets if dataset.SOPInstanceUID == peak_slice)
    key_image, report = (
        pydicom.dcmread(io.BytesIO(service.ask("GET", f"{place}/dicom/{kind}.dcm"))) for kind in ("key-image", "sr")
    )
    return Answered(
        name=name,
        uid=uid,
        answer=answer,
        peak_mm=in_mm(source, column, row),
        peak_slice=peak_slice,
        results=_results(service, uid),
        key_image=key_image.pixel_array,
        report=report,
    )


def in_mm(source: Dataset, column: int, row: int) -> npt.NDArray[np.float64]:
    """The centre of a pixel in the patient's coordinates (PS3.3 C.7.6.2.1.1), counted from 0."""
    across, down = np.array(source.ImageOrientationPatient, np.float64).reshape(2, 3)
    between_rows, between_columns = map(float, source.PixelSpacing)
    position = np.array(source.ImagePositionPatient, np.float64)
    return position + column * between_columns * across + row * between_rows * down


def _done(service: RunningService, uid: str) -> dict[str, Any] | None:
    found = json.loads(service.ask("GET", f"/v1/predictions?study_uid={uid}"))["predictions"]
    if any(one["status"] == "failed" for one in found):
        raise AssertionError(f"the study can't be predicted on: {found}")
    return next((one for one in found if one["status"] == "done"), None)


def _delivered(service: RunningService, id_: str) -> bool:
    found = json.loads(service.ask("GET", f"/v1/deliveries?prediction={id_}"))["deliveries"]
    return bool(found) and all(one["state"] == "delivered" for one in found)


def _results(service: RunningService, uid: str) -> dict[str, str]:
    found = json.loads(service.ask("GET", f"/dicom-web/studies/{uid}/series"))
    described = {_value(series, "0008103E"): _value(series, "0020000E") for series in found}
    ours = {text: uid for text, uid in described.items() if text.startswith(f"{OURS} ")}
    return {text.partition(":")[0].removeprefix(f"{OURS} "): uid for text, uid in ours.items()}


def _images_of_coordinates(item: Dataset) -> Iterator[str]:
    """The images that coordinates (SCOORD) in a report's content are on, in its order."""
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "SCOORD":
            yield from (str(one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) for one in child.ContentSequence)
        yield from _images_of_coordinates(child)


def _value(series: dict[str, Any], tag: str) -> str:
    return str(next(iter(series.get(tag, {}).get("Value", [""]))))


def _waited_for(ask: Any, what: str) -> Any:
    deadline = time.monotonic() + RESULTS_S
    while not (found := ask()):
        assert time.monotonic() < deadline, f"{what} didn't come in {RESULTS_S:.0f} s"
        time.sleep(POLL_S)
    return found


def _file(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()

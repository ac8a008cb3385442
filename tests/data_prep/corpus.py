"""Every DICOM file that our test environment's packages ship, as other libraries read it and as we do.

The packages are pydicom, pydicom-data, nibabel and pynetdicom (PyPI); highdicom's wheel and Debian's dcmtk ship none.
Nothing is downloaded. As a command it prints a table: file, modality, encoding, what becomes of it.

    python -m tests.data_prep.corpus
"""

import gzip
import io
import logging
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pydicom
from pydicom import uid

from data_prep.dicom.archive import begins_as_dicom
from data_prep.dicom.frames import Frame, read_study
from data_prep.errors import InputError

FOLDERS = {"pydicom": "data", "data_store": "data", "nibabel": "nicom/tests/data", "pynetdicom": "tests/dicom_files"}
IDENTITY = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
DCMTK = {
    uid.ImplicitVRLittleEndian: "dcmconv",
    uid.ExplicitVRBigEndian: "dcmconv",
    uid.DeflatedExplicitVRLittleEndian: "dcmconv",
    uid.RLELossless: "dcmdrle",
    uid.JPEGBaseline8Bit: "dcmdjpeg",
    uid.JPEGExtended12Bit: "dcmdjpeg",
    uid.JPEGLossless: "dcmdjpeg",
    uid.JPEGLosslessSV1: "dcmdjpeg",
    uid.JPEGLSLossless: "dcmdjpls",
    uid.JPEGLSNearLossless: "dcmdjpls",
}


@dataclass(frozen=True)
class Sample:
    """One file of a package."""

    name: str
    path: Path

    @cached_property
    def content(self) -> bytes:
        raw = self.path.read_bytes()
        return gzip.decompress(raw) if self.path.suffix == ".gz" else raw

    @cached_property
    def dataset(self) -> pydicom.Dataset:
        """As pydicom reads it."""
        return pydicom.dcmread(io.BytesIO(self.content), force=True)

    @property
    def syntax(self) -> uid.UID:
        return self.dataset.file_meta.get("TransferSyntaxUID", uid.UID(""))

    def frames(self) -> tuple[Frame, ...]:
        """As we read it; where UIDs are missing, with some, for the pixels' sake."""
        content = self.content
        try:
            return read_study([(self.name, io.BytesIO(content))]).frames
        except InputError as error:
            if "is missing or isn't a UID" not in error.detail:
                raise
        for keyword in IDENTITY:
            if keyword not in self.dataset:
                setattr(self.dataset, keyword, "2.25.1")
        stream = io.BytesIO()
        self.dataset.save_as(stream)
        return read_study([(self.name, io.BytesIO(stream.getvalue()))]).frames

    def ours(self) -> np.ndarray | str:
        """Stored values `[frames, rows, columns]`, or why there are none."""
        try:
            frames = self.frames()
            return np.stack([frame.pixels.plane(frame.number - 1) for frame in frames]) if frames else "no image"
        except InputError as error:
            return error.detail

    def theirs(self) -> np.ndarray | None:
        """The same by pydicom; None if it can't."""
        try:
            pixels = self.dataset.pixel_array
        except Exception:
            return None
        return pixels if self.dataset.get("NumberOfFrames", 1) > 1 else pixels[None]

    def dcmtks(self, folder: Path) -> np.ndarray | None:
        """The same by DCMTK; None if it has no tool for the encoding, or the tool fails."""
        tool = DCMTK.get(self.syntax)
        if tool is None or shutil.which(tool) is None:
            return None
        (folder / "in.dcm").write_bytes(self.content)
        options = ["+te"] if tool == "dcmconv" else []
        run = subprocess.run([tool, *options, folder / "in.dcm", folder / "out.dcm"], capture_output=True, timeout=60)
        if run.returncode:
            return None
        plain = pydicom.dcmread(folder / "out.dcm")
        stored = np.frombuffer(plain.PixelData, f"<u{plain.BitsAllocated // 8}")
        shape = (int(plain.get("NumberOfFrames", 1)), plain.Rows, plain.Columns)
        stored = stored[: np.prod(shape)].reshape(shape)
        unused = plain.BitsAllocated - plain.BitsStored
        signed = stored.astype(f"i{stored.itemsize}" if plain.PixelRepresentation else stored.dtype)
        return (signed << unused) >> unused


def samples() -> Iterator[Sample]:
    """In order of names."""
    for package, folder in FOLDERS.items():
        spec = find_spec(package)
        assert spec is not None, f"{package} is missing: pip install -r requirements-dev.txt"
        assert spec.submodule_search_locations is not None
        root = Path(spec.submodule_search_locations[0]) / folder
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                sample = Sample(f"{package}/{path.relative_to(root).as_posix()}", path)
                if begins_as_dicom(sample.content[:132]):
                    yield sample


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    logging.disable()
    print("| file | modality | encoding | what becomes of it |\n|---|---|---|---|")
    for sample in samples():
        ours, theirs = sample.ours(), sample.theirs()
        if isinstance(ours, str):
            outcome = ours.removeprefix(f"{sample.name}: ")
        elif theirs is None:
            outcome = "read; pydicom can't"
        else:
            outcome = "as pydicom reads it" if np.array_equal(ours, theirs) else "OTHER PIXELS"
        print(f"| {sample.name} | {sample.dataset.get('Modality', '')} | {sample.syntax.name or '-'} | {outcome} |")


if __name__ == "__main__":
    main()

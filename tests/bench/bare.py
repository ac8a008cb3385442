"""The endpoint that `tests.bench.stow` compares with: it stores the parts of a STOW-RS request, and does nothing else.

Nothing is checked, looked up or remembered: a part becomes a file, on the disk before the answer where BARE_FSYNC=1.
"""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from flask import Flask, Response, request
from python_multipart import MultipartParser

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

app = Flask("bare")


@app.post("/dicom-web/studies")
def store() -> Response:
    """Each part as a file of its own."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["BARE_FOLDER"]))
    opened: list[BinaryIO] = []

    def end() -> None:
        opened[-1].flush()
        if os.environ["BARE_FSYNC"] == "1":
            os.fsync(opened[-1].fileno())
        opened[-1].close()

    def begin() -> None:
        opened.append((folder / f"{len(opened)}.dcm").open("wb"))

    def add(data: bytes, start: int, stop: int) -> None:
        opened[-1].write(memoryview(data)[start:stop])

    callbacks: MultipartCallbacks = {"on_part_begin": begin, "on_part_data": add, "on_part_end": end}
    parser = MultipartParser(request.mimetype_params["boundary"], callbacks)
    while piece := request.stream.read(1 << 20):
        parser.write(piece)
    return Response("{}", content_type="application/dicom+json")

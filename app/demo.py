"""A demonstration: start the service, send it a synthetic knee, and save the answer with its pictures.

    python -m app.demo --out demo-output

The demo uses HTTP like any client, and always stops the service at the end.
"""

import argparse
import json
import signal
import sys
import tempfile
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any
from zipfile import ZipFile

import cv2
import numpy as np

from app.client import RunningService, ServiceError, serving
from app.contract.json_text import dumps
from app.jobs.answer import NOTICE
from app.results.render import Picture, contact_sheet, png
from data_prep.phantom import generate, write

# A knee that the demo bundle wasn't trained on, and its true class.
SEED, TRUTH = 20_261_121, "complete rupture"


def main(arguments: list[str] | None = None) -> int:
    """Run the demo. Returns exit status 0, 1 after a sentence on standard error, or 130 if it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for the answer and its pictures")
    parser.add_argument("--bundle", type=Path, default=Path("models/bundles/demo"))
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _leave)
    try:
        with tempfile.TemporaryDirectory(prefix="cruciate-") as scratch:
            _demonstrate(options.bundle, Path(scratch), options.out)
    except (ServiceError, OSError, HTTPException) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _demonstrate(bundle: Path, scratch: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with serving(bundle, scratch) as service:
        print("The service is loading its model; meanwhile, a synthetic knee is being made.", flush=True)
        write(generate(SEED, TRUTH), scratch / "knee")
        study = _zipped(scratch / "knee" / "dicom")
        service.wait_until_ready()
        answer = json.loads(service.ask("POST", "/v1/predictions", study, {"Content-Type": "application/zip"}))
        overlays = _overlays(service, answer)
    strongest = max(answer["explanation"]["slices"], key=lambda slice_: slice_["contribution"])["index"]
    captions = [f"{slice_['index']}  {slice_['contribution']:+.2f}" for slice_ in answer["explanation"]["slices"]]
    (out / "answer.json").write_text(dumps(answer, indent=2) + "\n", encoding="utf-8")
    (out / "overlay.png").write_bytes(png(overlays[strongest]))
    (out / "contact-sheet.png").write_bytes(png(contact_sheet(overlays, captions)))
    print(_summary(answer, strongest, out))


def _overlays(service: RunningService, answer: dict[str, Any]) -> list[Picture]:
    files = [service.ask("GET", slice_["overlay"]) for slice_ in answer["explanation"]["slices"]]
    return [np.asarray(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR), np.uint8) for file in files]


def _zipped(folder: Path) -> bytes:
    body = BytesIO()
    with ZipFile(body, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return body.getvalue()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """Raise an exception, so that the service is stopped before the process ends."""
    raise KeyboardInterrupt


def _summary(answer: dict[str, Any], strongest: int, out: Path) -> str:
    result, timing = answer["result"], answer["timing_ms"]
    volume = answer["study"]["volume"]
    probabilities = ", ".join(f"{name} {value:.3f}" for name, value in result["probabilities"].items())
    steps = sorted(set(timing) - {"total"}, key=timing.__getitem__, reverse=True)[:3]
    lines = [
        "",
        f"study      {volume['slices']} slices of {volume['rows']} x {volume['columns']}; the truth: {TRUTH}",
        f"answer     {result['predicted']} ({probabilities})",
        f"heatmap    of {answer['explanation']['class']!r}, strongest in slice {strongest}",
        f"time       {timing['total']:.0f} ms: " + ", ".join(f"{step} {timing[step]:.0f}" for step in steps),
        *(f"warning    {warning['code']}: {warning['message']}" for warning in answer["warnings"]),
        *(f"written    {out / name}" for name in ("answer.json", "overlay.png", "contact-sheet.png")),
        "",
        NOTICE,
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

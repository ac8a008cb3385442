import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SOON_S = 90


def demo(out: Path, bundle: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "app.demo", "--out", str(out), "--bundle", str(bundle)]
    environment = os.environ | {"TMPDIR": str(out.parent)}
    pipe = subprocess.PIPE
    # What runs in a shell's background ignores SIGINT, and hands that on.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, preexec_fn=heed)


def services_in(folder: Path) -> list[int]:
    """Processes whose results lie below a folder; the demo puts those of its service there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if f"CRUCIATE_DATA={folder}".encode() in environment:
            found.append(int(process.name))
    return found


def test_the_demo_shows_the_main_job_and_cleans_up(bundles, tmp_path):
    run = demo(tmp_path / "out", bundles[0])
    said, complained = run.communicate(timeout=SOON_S)
    assert (run.returncode, complained) == (0, "")
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "answer.json",
        "contact-sheet.png",
        "out",
        "overlay.png",
    ]
    answer = json.loads((tmp_path / "out" / "answer.json").read_text())
    rows, columns = answer["study"]["volume"]["rows"], answer["study"]["volume"]["columns"]
    assert cv2.imread(str(tmp_path / "out" / "overlay.png")).shape == (rows, columns, 3)
    sheet = cv2.imread(str(tmp_path / "out" / "contact-sheet.png"))
    assert sheet.shape[0] * sheet.shape[1] > answer["study"]["volume"]["slices"] * rows * columns
    for part in (answer["result"]["predicted"], "synthetic-training", "complete rupture", "overlay.png"):
        assert part in said
    assert said.rstrip().endswith("Research use only, not for diagnosis.")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes by /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_leaves_no_service_behind(bundles, tmp_path, number):
    run = demo(tmp_path / "out", bundles[0])
    deadline = time.monotonic() + SOON_S
    while not services_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)  # an interrupt at the very birth is the one that could lose it
    run.send_signal(number)
    run.communicate(timeout=SOON_S)
    assert run.returncode == 130
    assert services_in(tmp_path) == []


def test_a_demo_without_a_bundle_says_so(tmp_path):
    run = demo(tmp_path / "out", tmp_path / "nowhere")
    _, complained = run.communicate(timeout=SOON_S)
    assert run.returncode == 1
    assert "nowhere isn't a bundle" in complained
    assert "Traceback" not in complained


def test_a_demo_that_cannot_write_says_so_before_any_work(bundles, tmp_path):
    (tmp_path / "file").touch()
    run = demo(tmp_path / "file" / "out", bundles[0])
    said, complained = run.communicate(timeout=SOON_S)
    assert (run.returncode, said) == (1, "")
    assert complained.startswith("The demo failed: ")
    assert "Traceback" not in complained

import os
import subprocess
import sys

import pytest

from models.quiet import without_noise

pytestmark = pytest.mark.slow


def test_only_what_somebody_can_use_is_passed_on(capfd):
    with without_noise():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n")
        os.write(2, b"I0000 00:00:1795908954.736421   17417 port.cc:153] oneDNN custom operations are on.\n")
        os.write(2, b"E0000 00:00:1795908954.736421   17417 a.cc:1] something broke\n")
        print("a sentence of ours", file=sys.stderr)
    assert sorted(capfd.readouterr().err.splitlines()) == [
        "E0000 00:00:1795908954.736421   17417 a.cc:1] something broke",
        "a sentence of ours",
    ]


def test_after_an_error_standard_error_is_back_with_all_that_was_said(capfd):
    try:
        with without_noise():
            os.write(2, b"broken\n")
            raise RuntimeError
    except RuntimeError:
        os.write(2, b"after\n")
    assert capfd.readouterr().err == "broken\nafter\n"


def test_training_s_packages_are_imported_without_a_word():
    """In a process of its own, with nothing set, as in a bare terminal."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    code = "import training.train, tensorflow; tensorflow.constant(1)"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout + result.stderr == ""

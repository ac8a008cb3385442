"""Commands of `training`, run in the test's own process: TensorFlow needs seconds to start in another one."""

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess
from unittest import mock


def run_here(main: Callable[[], None], *words: str) -> CompletedProcess[str]:
    """Run a command with these words after its name. A traceback is the test's own."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with mock.patch.object(sys, "argv", [main.__module__, *words]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return CompletedProcess([main.__module__, *words], code, out.getvalue(), err.getvalue())

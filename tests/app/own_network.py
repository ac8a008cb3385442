"""Runs a module where there is only loopback, with addresses that a test chooses."""

import ctypes
import json
import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests import warm

SCENARIO_S = 300.0
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # unshare(2)


def in_own_network(module: str, *arguments: object, addresses: tuple[str, ...] = ()) -> dict:
    """Run `python -m module`, and give what its last line of output says, as JSON.

    Skips the test, except in CI, where Debian's iproute2 or the right to it are missing.

    Args:
        module: The module.
        arguments: What it is given.
        addresses: More addresses that loopback has there.
    """
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    alone = subprocess.run([*unshare, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
    require(alone.returncode == 0, "no network namespace can be made here")
    done = warm.run("-m", module, *map(str, arguments), first=partial(enter, addresses), timeout=SCENARIO_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def enter(addresses: tuple[str, ...]) -> None:
    """Leave the machine's network for one of this process's own, which has these addresses."""
    user, group = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NETWORK if user == 0 else NEW_NETWORK | NEW_USER):
        raise OSError(ctypes.get_errno(), "unshare")
    if user:
        own = Path("/proc/self")
        (own / "setgroups").write_text("deny")
        (own / "uid_map").write_text(f"0 {user} 1")
        (own / "gid_map").write_text(f"0 {group} 1")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for one in addresses:
        subprocess.run(["ip", "address", "add", f"{one}/32", "dev", "lo"], check=True)


def require(there: bool, reason: str) -> None:
    """Skip the test, except in CI, if something isn't there."""
    if not there:
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)

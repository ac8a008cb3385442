"""Certificates that openssl makes, as an operator would: an authority, and what it signs."""

import shutil
import subprocess
from pathlib import Path

from tests.app.own_network import require


class Authority:
    """An authority of our own.

    Attributes:
        certificate: Its own certificate.
    """

    def __init__(self, folder: Path) -> None:
        require(shutil.which("openssl") is not None, "openssl isn't installed")
        folder.mkdir()
        self._folder, self.certificate, self._key = folder, folder / "ca.pem", folder / "ca.key"
        _openssl(*_NEW, "-x509", "-subj", "/CN=a test", "-keyout", self._key, "-out", self.certificate, "-days", "2")

    def sign(self, name: str) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and localhost, and its key."""
        certificate, key, request = (self._folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self._folder / "extensions"
        extensions.write_text("subjectAltName = IP:127.0.0.1, DNS:localhost\n")
        _openssl(*_NEW, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signer = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-days", "2")
        _openssl("x509", "-req", "-in", request, "-out", certificate, "-extfile", extensions, *signer)
        return certificate, key

    def locked(self, key: Path) -> Path:
        """The same key, encrypted."""
        path = key.with_suffix(".locked")
        _openssl("rsa", "-aes128", "-passout", "pass:secret", "-in", key, "-out", path)
        return path


_NEW = ("req", "-new", "-newkey", "rsa:2048", "-nodes")


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

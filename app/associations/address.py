"""The address of a DICOM system: `dicom://TITLE@host:port`, and `dicoms://` if it speaks TLS."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote, urlsplit

# Schemes, and whether they mean TLS. They are ours: DICOM has no URLs for C-STORE.
SCHEMES = {"dicom": False, "dicoms": True}
TITLE_LENGTH = 16  # PS3.5 6.2, VR AE
EXAMPLE = "dicom://TITLE@host:port"


@dataclass(frozen=True)
class Address:
    """Where a DICOM system listens.

    Attributes:
        title: Its AE title.
        secure: Whether it speaks TLS.
    """

    title: str
    host: str
    port: int
    secure: bool = False

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an address. Characters that a URL can't hold are percent-encoded in the title. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or not parts.hostname or not parts.port or parts.password is not None:
            raise ValueError(f"an address must be like {EXAMPLE}")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError(f"an address must be like {EXAMPLE}")
        return cls(ae_title(unquote(parts.username or "")), parts.hostname, parts.port, SCHEMES[parts.scheme])

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'dicoms' if self.secure else 'dicom'}://{quote(self.title)}@{host}:{self.port}"


def is_dicom(url: str) -> bool:
    """Whether a URL means DIMSE, not HTTP."""
    return url.partition(":")[0].lower() in SCHEMES


def ae_title(text: str) -> str:
    """An AE title without outer blanks (PS3.5 6.2). Raises ValueError for what can't be one."""
    title = text.strip()
    if not (title.isascii() and title.isprintable() and 0 < len(title) <= TITLE_LENGTH and "\\" not in title):
        raise ValueError("must have 1 to 16 printable ASCII characters.")
    return title

"""OHIF's ready bundle, the folder `dist` of npm's `@ohif/app`, as it has to be to work at a path of ours.

It is built for a server of its own: its page, scripts and style sheets name each other from the root of that server,
`/`. Here they get another path, when they are read. The files on disk stay as they are.
"""

import base64
import hashlib
import re
from functools import cached_property
from pathlib import Path

from werkzeug.security import safe_join

PAGE = "index.html"
# The page names its main script from the root, and the script, which loads the others, begins with the same path.
MAIN_SCRIPT = re.compile(r'<script[^>]* src="/(app\.bundle\.[^"/]+\.js)"')
INLINE_SCRIPT = re.compile(r"<script(?![^>]* src=)[^>]*>(.*?)</script>", re.DOTALL)
# Everything else in the page that begins with the root.
ATTRIBUTE = re.compile(r'( (?:src|href|content)=")/(?!/)')
PUBLIC_URL = re.compile(r"""(window\.PUBLIC_URL\s*=\s*["'])/(?=["'])""")
SCRIPTS_ROOT = b'__webpack_require__.p = "/"'
STYLES_ROOT = b"url(/"


class NotReady(ValueError):
    """A folder isn't such a bundle. The message says why."""


class ReadyBundle:
    """The bundle in a folder.

    Args:
        folder: The folder with `index.html`.

    Raises:
        NotReady: It has no page, or isn't built for the root of a server.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        try:
            self._page = (self.folder / PAGE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise NotReady(f"{folder} has no {PAGE} that can be read.") from None
        named = MAIN_SCRIPT.search(self._page)
        if named is None or SCRIPTS_ROOT not in (self._read(named[1]) or b""):
            raise NotReady(f"{folder} isn't the folder dist of npm's @ohif/app, which is built for the path /.")

    @cached_property
    def version(self) -> str:
        """Changes with the bundle, and with what is changed in it here."""
        digest = hashlib.sha256(self._page.encode() + Path(__file__).read_bytes())
        for path in sorted(self.folder.rglob("*.*")):
            digest.update(f"{path.relative_to(self.folder)} {path.stat().st_size} ".encode())
        return digest.hexdigest()[:16]

    def page(self, place: str) -> str:
        """The page, if the files are at a path, such as `/ohif/files/`."""
        return PUBLIC_URL.sub(rf"\g<1>{place}", ATTRIBUTE.sub(rf"\g<1>{place}", self._page))

    def file(self, name: str, place: str) -> bytes | None:
        """A file as it is sent, if the files are at a path. None: there is no such file in the folder."""
        content = self._read(name)
        if content is None:
            return None
        if name.endswith(".js"):
            return content.replace(SCRIPTS_ROOT, SCRIPTS_ROOT[:-2] + place.encode() + SCRIPTS_ROOT[-1:])
        if name.endswith(".css"):
            return content.replace(STYLES_ROOT, STYLES_ROOT[:-1] + place.encode())
        return content

    def _read(self, name: str) -> bytes | None:
        path = safe_join(str(self.folder), name)
        try:
            return Path(path).read_bytes() if path else None
        except OSError:
            return None


def inline_scripts(page: str) -> list[str]:
    """The scripts that a page contains, each as a source of a Content-Security-Policy (CSP Level 3, 2.3.1)."""
    digests = (hashlib.sha256(script.encode()).digest() for script in INLINE_SCRIPT.findall(page))
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]

"""Orthanc's own web viewer shows our overlays and key images, in headless Chromium; their pixels are measured.

    python -m tests.viewers.orthanc --plugin build/viewers/libOrthancWebViewer.so --out build/viewers/orthanc

The studies are those of `tests.viewers.ohif`. Their results are stored in Orthanc, as in a PACS. Its web viewer knows
one series at a time: it shows a segmentation alone, and neither map nor report.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.client import RunningService, serving
from tests.viewers.browser import NotSeen, chromium
from tests.viewers.checks import QUIET_S, Seen, coloured, options, picture, told
from tests.viewers.orthanc_page import OrthancPage
from tests.viewers.orthanc_server import OrthancServer, orthanc
from tests.viewers.studies import Answered, answered, made

CHECKS: dict[str, Callable[[OrthancPage, Answered], str]] = {"overlay": coloured, "key-image": picture}


def main(arguments: list[str] | None = None) -> int:
    """Run the check. Returns exit status 0, or 1 if something isn't shown as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plugin", type=Path, required=True, help="the plugin of Debian's orthanc-webviewer")
    chosen = options(parser, arguments)
    if not chosen.plugin.is_file():
        parser.error(f"{chosen.plugin} isn't a file")
    return told(look(chosen.plugin, chosen.out, chosen.bundle, chosen.study), chosen.out)


def look(plugin: Path, out: Path, bundle: Path, names: Sequence[str]) -> Iterator[Seen]:
    """Open overlays and key images of these studies."""
    with (
        tempfile.TemporaryDirectory(prefix="cruciate-") as scratch,
        orthanc(plugin, Path(scratch) / "orthanc") as server,
    ):
        with serving(bundle, Path(scratch), CRUCIATE_QUIET_S=QUIET_S) as service:
            service.wait_until_ready()
            studies = [answered(service, name, datasets) for name, datasets in made(names).items()]
            for study in studies:
                _send(service, study, server)
        with chromium(Path(scratch) / "profile") as browser:
            page = OrthancPage(browser, server)
            for study in studies:
                for kind in CHECKS:
                    yield _seen(page, study, kind, out)


def _send(service: RunningService, study: Answered, server: OrthancServer) -> None:
    """Store what was made for every slice, and the key image."""
    place = f"/v1/predictions/{study.answer['id']}/dicom"
    server.store(service.ask("GET", f"{place}/key-image.dcm"))
    for one in study.answer["explanation"]["slices"]:
        server.store(service.ask("GET", f"{place}/overlay.dcm?slice={one['index']}"))


def _seen(page: OrthancPage, study: Answered, kind: str, out: Path) -> Seen:
    try:
        page.open_series(study.results[kind])
        return Seen(study.name, kind, True, CHECKS[kind](page, study))
    except NotSeen as error:
        return Seen(study.name, kind, False, str(error))
    finally:
        (out / f"{study.name}-{kind}.png").write_bytes(page.screenshot())


if __name__ == "__main__":
    sys.exit(main())

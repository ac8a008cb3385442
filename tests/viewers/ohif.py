"""OHIF shows our results, in headless Chromium: each is opened as a person would, and its pixels are measured.

    python -m tests.viewers.ohif --ohif build/viewers/ohif-3.13.2/dist --out build/viewers/seen-3.13.2

`make viewers` fetches OHIF's ready bundle and runs this. The command starts the service with the demo bundle, sends a
torn and a healthy synthetic knee and, if CRUCIATE_REAL_KNEE is set, a real series, and opens every result in OHIF. It
writes a screenshot of each and `seen.json`, and ends with status 1 if something isn't shown as it should be.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from selenium.common.exceptions import WebDriverException

from app.client import serving
from tests.viewers.browser import NotSeen, chromium
from tests.viewers.checks import QUIET_S, Seen, coloured, options, picture, require, told
from tests.viewers.ohif_page import Ohif
from tests.viewers.screen import green, outlined
from tests.viewers.studies import Answered, answered, made

# How Chromium's messages about refused requests and about forbidden scripts can be known.
BUSY, POLICY = "429", "Content Security Policy"
# Characters of such a message that are told.
MOST = 200
# An outline has at least so many pixels.
LINE = 40
# The least standard deviation of grey values in a picture of a knee.
GREY = 10.0


def main(arguments: list[str] | None = None) -> int:
    """Run the check. Returns exit status 0, or 1 if something isn't shown as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ohif", type=Path, required=True, help="OHIF's files: the folder dist of npm's @ohif/app")
    chosen = options(parser, arguments)
    if not (chosen.ohif / "index.html").is_file():
        parser.error(f"{chosen.ohif} has no index.html")
    return told(look(chosen.ohif, chosen.out, chosen.bundle, chosen.study), chosen.out)


def look(ohif: Path, out: Path, bundle: Path, names: Sequence[str]) -> Iterator[Seen]:
    """Open every result of these studies."""
    with (
        tempfile.TemporaryDirectory(prefix="cruciate-") as scratch,
        serving(bundle, Path(scratch), CRUCIATE_OHIF=str(ohif), CRUCIATE_QUIET_S=QUIET_S) as service,
    ):
        service.wait_until_ready()
        studies = [answered(service, name, datasets) for name, datasets in made(names).items()]
        with chromium(Path(scratch) / "profile") as browser:
            page = Ohif(browser, f"http://127.0.0.1:{service.port}")
            for study in studies:
                page.open_study(study.uid, 1 + len(study.results))
                yield _region(study)
                for kind in CHECKS:
                    if kind in study.results:
                        yield (seen := _seen(page, study, kind, out))
                        if not seen.right:  # OHIF may have given up
                            page.open_study(study.uid, 1 + len(study.results))


def _region(study: Answered) -> Seen:
    """A segmentation is there if the evidence reaches the threshold, and only then."""
    there = "seg" in study.results
    return Seen(study.name, "region", there == study.glows, "a segmentation" if there else "no segmentation")


def _seen(page: Ohif, study: Answered, kind: str, out: Path) -> Seen:
    page.errors()
    try:
        what = _checked(page, study, kind)
        refused = [text[:MOST] for text in page.errors() if POLICY in text]
        require(not refused, f"the Content-Security-Policy forbids what OHIF needs: {refused[:1]}")
        return Seen(study.name, kind, True, what)
    except NotSeen as error:
        return Seen(study.name, kind, False, str(error))
    except WebDriverException as error:  # what was asked for has gone from the page
        return Seen(study.name, kind, False, f"the page failed: {str(error.msg)[:MOST]}")
    finally:
        (out / f"{study.name}-{kind}.png").write_bytes(page.screenshot())


def _checked(page: Ohif, study: Answered, kind: str) -> str:
    """What is seen of a result. If the busy service has refused pictures, its series is opened once more."""
    try:
        page.open_series(study.results[kind])
        return CHECKS[kind](page, study)
    except NotSeen as error:
        said = page.errors()
        if not any(BUSY in text for text in said):
            raise NotSeen(f"{error} {[text[:MOST] for text in said[-3:]]}") from None
    page.open_study(study.uid, 1 + len(study.results))
    page.open_series(study.results[kind])
    return f"{CHECKS[kind](page, study)}; at the second try, because the service was busy"


def _plain(page: Ohif, study: Answered) -> str:
    """All the slices that were predicted on, in grey."""
    wanted = len(study.answer["explanation"]["slices"])
    require(page.slices() == wanted, f"{page.slices()} slices instead of {wanted}")
    page.show_slice(wanted // 2)
    require(page.image().std() > GREY, "no picture is shown")
    return f"{wanted} slices"


def _report(page: Ohif, study: Answered) -> str:
    """The slice that the report names, with its outline around the peak."""
    page.wait_for_instance("the slice that the report names", study.decisive)
    page.wait_for_view("an outline", lambda view: green(view) >= LINE)
    view = page.view()
    if not study.glows:
        return "the slice that the report names, with an outline"
    require(outlined(view, *page.in_pixels(study.peak_mm)), "the outline isn't around the map's peak")
    return "the slice that the report names, with an outline around the map's peak"


# In this order: OHIF keeps the map's window for what is opened after it.
CHECKS: dict[str, Callable[[Ohif, Answered], str]] = {
    "overlay": coloured,
    "key-image": picture,
    "slices": _plain,
    "seg": coloured,
    "sr": _report,
    "map": coloured,
}


if __name__ == "__main__":
    sys.exit(main())

"""The model card: a page about a bundle, written from the bundle's own files (model_card.md.j2)."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

# The page is Markdown, and every value comes from Cruciate: nothing is escaped.
PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    keep_trailing_newline=False,
    autoescape=False,
)


def model_card(
    name: str,
    manifest: dict[str, Any],
    recipe: dict[str, Any],
    calibration: dict[str, Any],
    metrics: dict[str, Any],
    operating_point: dict[str, Any] | None = None,
) -> str:
    """The page as Markdown. Each figure is given with the exams that it was measured on.

    Args:
        name: The bundle's name.
        manifest: The content of `manifest.json`.
        recipe: The content of `recipe.json`.
        calibration: The content of `calibration.json`.
        metrics: The content of `metrics.json`.
        operating_point: The content of `operating_point.json`; None if there is none.
    """
    whole = manifest["architecture"]
    one = whole.get("member", whole)
    page = PAGES.get_template("model_card.md.j2").render(
        name=name,
        manifest=manifest,
        recipe=recipe,
        calibration=calibration,
        metrics=metrics,
        operating_point=operating_point,
        ensemble=one is not whole,
        trunk=one["trunk"],
        head=one.get("head"),
    )
    return page.rstrip() + "\n"

"""The page that a person reads before trusting a bundle, written from the bundle's own files (model_card.md.j2)."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

# Markdown, and every value is ours: nothing is escaped.
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
) -> str:
    """Write the page as Markdown. Figures are quoted with the exams that they were measured on, never without.

    Args:
        name: the bundle's.
        manifest, recipe, calibration, metrics: what the bundle's files of these names hold.
    """
    whole = manifest["architecture"]
    one = whole.get("member", whole)
    page = PAGES.get_template("model_card.md.j2").render(
        name=name,
        manifest=manifest,
        recipe=recipe,
        calibration=calibration,
        metrics=metrics,
        ensemble=one is not whole,
        trunk=one["trunk"],
        head=one.get("head"),
    )
    return page.rstrip() + "\n"

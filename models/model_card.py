"""The page that a person reads before trusting a bundle, written from the bundle's own files."""

from typing import Any

SYNTHETIC = (
    "It has seen **synthetic knees only**. Its answers on real knees mean nothing; it shows the software at work."
)


def model_card(
    name: str,
    manifest: dict[str, Any],
    recipe: dict[str, Any],
    calibration: dict[str, Any],
    metrics: dict[str, Any],
) -> str:
    """Markdown. Figures are quoted with the exams that they were measured on, never without."""
    whole = manifest["architecture"]
    one = whole.get("member", whole)
    trunk, head = one["trunk"], one.get("head")
    route = manifest["route"]
    if one is not whole:
        route += f" of {len(whole['temperatures'])} x {whole['route']}"
    lines = [
        f"# Bundle `{name}`",
        "",
        "**Research use only, not for diagnosis.**",
        "",
        SYNTHETIC if manifest["trained_on"] == "synthetic" else f"Trained on: {manifest['trained_on']}.",
        "",
        "| | |",
        "|---|---|",
        f"| route | {route} |",
        f"| trunk | {trunk['name']} up to `{trunk['cut']}`, width {trunk['width']:g}, "
        f"starting weights {trunk['weights']} |",
        *([f"| head | {_head(head)} |"] if head else []),
        f"| classes | {manifest['scheme']} |",
        f"| exams | {_counts(manifest['exams'])} |",
        f"| seed | {manifest['seed']} |",
        f"| made by | `{manifest['command']}` |",
        f"| cut from the volume | {' x '.join(f'{mm:g}' for mm in recipe['extent_mm'])} mm, "
        f"{recipe['size'][0]} x {recipe['size'][1]} pixels |",
        f"| temperature | {_temperature(calibration)} |",
        "",
        *[f"**{notice['code']}**: {notice['message']}\n" for notice in manifest.get("notices", ())],
        "## Figures",
        "",
    ]
    for figure in metrics.get("figures", []):
        low, high = figure["interval_95"]
        lines.append(
            f"- {figure['name']}: {figure['value']:.3f} (95 % interval {low:.3f} to {high:.3f}), "
            f"on {figure['exams']} exams: {figure['measured_on']}"
        )
    return "\n".join(lines) + "\n"


def _temperature(calibration: dict[str, Any]) -> str:
    if calibration["unusable"]:
        return f"{calibration['temperature']:.3f}: **not calibrated**, {calibration['unusable']}"
    return f"{calibration['temperature']:.3f}, fitted on {calibration['fitted_on']}"


def _head(head: dict[str, Any]) -> str:
    layers = f"fully connected layers of {', '.join(map(str, head['hidden']))}" if head["hidden"] else "linear"
    return f"{head['pooling']} over slices, {layers}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {split}" for split, count in counts.items())

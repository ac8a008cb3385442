"""The figures of the experiments beside the published ones: one table for people, two for programs."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from data_prep.files import replacing
from data_prep.statistics import Figure
from training.config.published import Experiment
from training.evaluation.metrics import Report

COLUMNS = (
    *("row", "experiment", "figure", "published", "published_on", "says"),
    *("ours", "low_95", "high_95", "measured_on", "remarks"),
)


@dataclass(frozen=True)
class Entry:
    """A row of the table.

    Attributes:
        row: the experiment.
        changes: changes beside the experiment's own settings.
        command: the command that cross-validates it, without `--exams` and `--out`.
        report: our figures; None if there are none.
        missing: why there is no report; "" if there is one.
    """

    row: Experiment
    changes: tuple[str, ...] = ()
    command: str = ""
    report: Report | None = None
    missing: str = ""

    @property
    def figures(self) -> dict[str, Figure]:
        """Our figures, by name."""
        return {figure.name: figure for figure in self.report.figures} if self.report else {}

    @property
    def measured_on(self) -> str:
        """What our figures were measured on, or why there are none."""
        if not self.report:
            return f"not run: {self.missing}"
        first = self.report.figures[0]
        return f"{first.exams} {first.measured_on}"

    @property
    def remarks(self) -> str:
        """Remarks about our figures."""
        changed = f"changed here: {', '.join(self.changes)}" if self.changes else ""
        return "; ".join(filter(None, (self.row.note, changed)))


def write_tables(entries: Sequence[Entry], folder: Path, command: str) -> str:
    """Write `table.md`, `table.csv` and `table.json` into the folder; returns the text of `table.md`."""
    text = f"`{command}`; in brackets 95 % intervals by bootstrap over exams\n\n{markdown(entries)}\n"
    with replacing(folder / "table.md") as partial:
        partial.write_text(text, encoding="utf-8")
    with replacing(folder / "table.csv") as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([COLUMNS, *(line for entry in entries for line in lines(entry))])
    content = {"command": command, "rows": [asdict(entry) for entry in entries]}
    with replacing(folder / "table.json") as partial:
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return text


def markdown(entries: Sequence[Entry]) -> str:
    """A Markdown table: for each experiment a line of published figures and a line of ours; a column per figure."""
    names = _names(entries)
    rows = [["experiment", "figures", *names, "measured on", "remarks"]]
    rows.append(["---"] * len(rows[0]))
    for entry in entries:
        row, ours = entry.row, entry.figures
        if row.source:
            values = [f"{row.published[name]:g}" if name in row.published else "" for name in names]
            rows.append([row.experiment, "published", *values, row.source, row.says])
        values = [_interval(ours[name]) if name in ours else "" for name in names]
        rows.append([row.experiment, f"ours: `{row.name}`", *values, entry.measured_on, entry.remarks])
    return "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in rows)


def lines(entry: Entry) -> Iterator[list[object]]:
    """A line of COLUMNS for each figure, published or ours; a single line without a figure if there is none."""
    row, ours = entry.row, entry.figures
    for name in dict.fromkeys((*row.published, *ours)) or [""]:
        known = [row.name, row.experiment, name, row.published.get(name, ""), row.source, row.says]
        values = [ours[name].value, *ours[name].interval_95] if name in ours else ["", "", ""]
        yield [*known, *values, entry.measured_on, entry.remarks]


def _names(entries: Sequence[Entry]) -> list[str]:
    """The names of all figures, in the order of the reports; the report with the most figures comes first."""
    reports = sorted(entries, key=lambda entry: len(entry.figures), reverse=True)
    ours = [name for entry in reports for name in entry.figures]
    return list(dict.fromkeys([*ours, *(name for entry in entries for name in entry.row.published)]))


def _interval(figure: Figure) -> str:
    low, high = figure.interval_95
    return f"{figure.value:.3f} ({low:.3f} to {high:.3f})"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())

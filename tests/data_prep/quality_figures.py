"""`python -m tests.data_prep.quality_figures`: how often the quality screen is right, by source and by kind of fault.

Prints the tables of docs/quality.md. Thresholds were set on other seeds than the ones used here (10,000 to 41,000, and
50 to 54 million).
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from unittest import mock

import numpy as np
from scipy.stats import binomtest

from data_prep.quality import screen
from data_prep.volume import Volume
from data_prep.workers import Workers
from tests.data_prep.body_parts import PARTS, body_part
from tests.data_prep.broken_exams import BROKEN
from tests.data_prep.exam_sources import ARRAYS, IMPORTERS, PROTOCOLS, clean_of, knee
from tests.data_prep.faults import Plant

SEED = 100_000_000
EVERY_OTHER_PLANE = 2  # one knee in so many is made in another plane too
OTHER_PARTS = 2  # other parts of the body that are made beside each knee
FORMS, FAULTS = 3, 3  # sources for each knee, faults for each of them

CHECKS = ("OF_SAMPLING", "OF_PIXELS")
PLANTS: tuple[tuple[str, Plant], ...] = tuple((kind, plant) for kind, plants in BROKEN.items() for plant in plants)

Outcome = tuple[str, str, bool, tuple[str, ...]]
"""`clean` or `broken`; source, or kind and fault; whether the screen was right; all that it named."""
Look = Callable[[Volume, str], tuple[str, ...]]
"""Gives the kinds that the screen names, or at least whether it names this one."""


def every_kind(volume: Volume, kind: str = "") -> tuple[str, ...]:
    """All kinds that the screen names."""
    return tuple(flag.kind for flag in screen(volume))


def this_kind(volume: Volume, kind: str) -> tuple[str, ...]:
    """The kinds that the screen names if no other one is asked for. Checks don't depend on each other."""
    module = import_module(screen.__module__)
    ours = {name: {one: check for one, check in vars(module)[name].items() if one == kind} for name in CHECKS}
    with mock.patch.dict(vars(module), ours):
        return every_kind(volume)


def outcomes(index: int, seed: int = SEED, acquired: int = 256, look: Look = every_kind) -> list[Outcome]:
    """What the screen says of one knee in the forms of some sources, with and without faults; and of wrong exams."""
    found = list(_sagittal(index, seed + index, acquired, look))
    if index % EVERY_OTHER_PLANE == 0:
        plane = ("coronal", "axial")[index // EVERY_OTHER_PLANE % 2]
        source = ARRAYS[index // (2 * EVERY_OTHER_PLANE) % len(ARRAYS)]
        kinds = look(clean_of(source, knee(seed + index, plane, acquired, **_protocol(index)), index), "wrong-plane")
        found.append(("broken", f"wrong-plane: {plane}", "wrong-plane" in kinds, kinds))
    for part in (list(PARTS)[(index * OTHER_PARTS + place) % len(PARTS)] for place in range(OTHER_PARTS)):
        exam = clean_of(list(IMPORTERS)[index % len(IMPORTERS)], body_part(part, seed + index), index)
        kinds = look(exam, PARTS[part].named)
        found.append(("broken", f"{PARTS[part].named}: {part}", PARTS[part].named in kinds, kinds))
    return found


def _protocol(index: int) -> dict[str, object]:
    return dict(PROTOCOLS[index // len(PROTOCOLS) % len(PROTOCOLS)])


def _sagittal(index: int, seed: int, acquired: int, look: Look) -> Iterator[Outcome]:
    volume = knee(seed, "sagittal", acquired, **_protocol(index))
    for form in range(FORMS):
        place = index * FORMS + form
        source = list(IMPORTERS)[place % len(IMPORTERS)]
        exam = clean_of(source, volume, place)
        kinds = every_kind(exam)
        yield "clean", source, not kinds, kinds
        for fault in range(FAULTS):
            kind, plant = PLANTS[(place * FAULTS + fault) % len(PLANTS)]
            kinds = look(plant(exam, np.random.default_rng([seed, form, fault])), kind)
            yield "broken", f"{kind}: {plant.__name__}", kind in kinds, kinds


def table(rows: list[Outcome], what: str) -> Iterator[str]:
    """Lines of a Markdown table with counts, shares and 95 % intervals (Wilson)."""
    names = list(dict.fromkeys(name for group, name, _, _ in rows if group == what))
    for name in names:
        mine = [(right, kinds) for group, other, right, kinds in rows if group == what and other == name]
        counted = sum(not right if what == "clean" else right for right, _ in mine)
        interval = binomtest(counted, len(mine)).proportion_ci(method="wilson")
        named = Counter(kind for right, kinds in mine for kind in kinds if not right)
        also = ", ".join(f"{kind} {count}" for kind, count in named.most_common(3))
        low, high = 100 * interval.low, 100 * interval.high
        yield f"| {name} | {counted} of {len(mine)} | {counted / len(mine):.1%} | {low:.1f} to {high:.1f} % | {also} |"


def main() -> None:
    """Read the command line and print both tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.data_prep.quality_figures", description=__doc__)
    parser.add_argument("--knees", type=int, default=300, help="how many synthetic knees")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    results = Workers(options.jobs).run(outcomes, range(options.knees), "screening")
    rows = [row for some in results for row in some]
    everything: list[Outcome] = [(group, "all", *rest) for group, _, *rest in rows if group == "clean"]
    print("| source | flagged | share | 95 % interval | named |\n|---|---|---|---|---|")
    print(*table(rows + everything, "clean"), sep="\n")
    print("\n| kind: fault | found by its name | share | 95 % interval | named where missed |\n|---|---|---|---|---|")
    print(*sorted(table(rows, "broken")), sep="\n")


if __name__ == "__main__":
    main()

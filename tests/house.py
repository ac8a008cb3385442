"""The structure of the four packages, read from their imports: files of each folder, arrows between folders, cycles.

    python -m tests.house                                  prints it; exit status 1 if a rule is broken
    python -m tests.house --picture docs/architecture.md   renews the picture of the arrows in a page

A package's own folder counts as a folder, too. Rules: no cycle between files, none between folders, and no folder of
more than `MOST_FILES` files.
"""

import argparse
import ast
import sys
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("data_prep", "models", "training", "app")
MOST_FILES = 15
BEGIN, END = "<!-- made by `python -m tests.house --picture docs/architecture.md` -->", "<!-- end -->"

Graph = dict[str, set[str]]


@dataclass(frozen=True)
class House:
    """Modules by their dotted names, and the modules that each imports, inside functions too."""

    imports: Graph

    @classmethod
    def read(cls, root: Path = ROOT) -> "House":
        """Parse every Python file of the packages."""
        paths = {_module(path, root): path for package in PACKAGES for path in (root / package).rglob("*.py")}
        known = set(paths)
        return cls({name: _imported(path, known) - {name} for name, path in paths.items()})

    def folders(self) -> dict[str, list[str]]:
        """The files of each folder, without `__init__`."""
        found: dict[str, list[str]] = {}
        for module in sorted(self.imports):
            folder, _, name = module.rpartition(".")
            if name != "__init__":
                found.setdefault(folder, []).append(name)
        return found

    def arrows(self) -> Graph:
        """Which other folders the files of each folder import from."""
        found: Graph = {}
        for module, targets in self.imports.items():
            home = _folder(module)
            found.setdefault(home, set()).update(_folder(target) for target in targets if _folder(target) != home)
        return found

    def faults(self) -> list[str]:
        """Every rule that is broken, one sentence each."""
        faults = [
            f"a cycle between {what}: {' -> '.join(cycle)}"
            for what, graph in (("files", self.imports), ("folders", self.arrows()))
            if (cycle := cycle_in(graph))
        ]
        for folder, files in self.folders().items():
            if len(files) > MOST_FILES:
                faults.append(f"{folder} has {len(files)} files, more than {MOST_FILES}")
        return faults

    def picture(self) -> str:
        """The arrows as a Mermaid diagram: one box for each folder, in one frame for each package."""
        lines = ["```mermaid", "flowchart TD"]
        folders = self.folders()
        for package in PACKAGES:
            lines.append(f"    subgraph {package}")
            lines += [f'        {_id(folder)}["{folder}"]' for folder in folders if folder.split(".")[0] == package]
            lines.append("    end")
        arrows = self.arrows()
        for folder in sorted(arrows):
            for target in sorted(_direct(folder, arrows)):
                lines.append(f"    {_id(folder)} --> {_id(target)}")
        return "\n".join([*lines, "```"])


def cycle_in(graph: Mapping[str, Iterable[Hashable]]) -> list[str]:
    """The nodes of one cycle, the first one repeated at the end; empty if there is none."""
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def _module(path: Path, root: Path) -> str:
    return ".".join(part.replace(".", "_") for part in path.relative_to(root).with_suffix("").parts)


def _folder(module: str) -> str:
    return module.rpartition(".")[0]


def _imported(path: Path, known: set[str]) -> set[str]:
    """The modules of ours that a file imports; of a package, its `__init__`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parent = name.rpartition(".")[0]
            candidates = (name, f"{name}.__init__", parent, f"{parent}.__init__")
            found.update(list(filter(known.__contains__, candidates))[:1])
    return found


def _direct(folder: str, arrows: Graph) -> set[str]:
    """The arrows that no longer way replaces, so that a picture stays readable."""
    targets = arrows.get(folder, set())
    reached = {far for near in targets for far in _reachable(near, arrows)}
    return targets - reached


def _reachable(folder: str, arrows: Graph) -> set[str]:
    found: set[str] = set()
    waiting = list(arrows.get(folder, ()))
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            waiting += arrows.get(one, ())
    return found


def _id(folder: str) -> str:
    return folder.replace(".", "_")


def renewed(page: str, picture: str) -> str:
    """A page with this picture between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{picture}\n\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, metavar="PAGE", help="renew the picture in this page")
    options = parser.parse_args()
    house = House.read()
    if options.picture:
        page = options.picture.read_text(encoding="utf-8")
        options.picture.write_text(renewed(page, house.picture()), encoding="utf-8")
    for folder, files in house.folders().items():
        print(f"{folder} ({len(files)}): {' '.join(files)}")
    print()
    for folder, targets in sorted(house.arrows().items()):
        if targets:
            print(f"{folder} -> {', '.join(sorted(targets))}")
    faults = house.faults()
    print("", *(faults or ["no cycle between files or folders"]), sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""The plan of the house: every import goes down a floor, or stays on its own without a circle."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from bench.storage import PACKAGE

FLOORS = (
    ("__main__",),
    ("cli", "commands"),
    ("run", "validation"),
    ("config", "faults", "leaderboard"),
    ("generators", "metrics"),
    ("measure", "vision"),
    (
        *("clip", "errors", "progress", "prompts", "schema", "statistics", "storage", "textfiles"),
        "video",
    ),
)
"""Rooms and files at the top of bench/, from the top floor down.

On one floor, rooms import nothing of each other; only files of the ground floor may, and within
a room and on the ground floor no circle may arise.
"""

FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
GROUND = len(FLOORS) - 1


def modules() -> dict[str, Path]:
    """Every module of the package: its name without `bench.`, and its file."""
    paths = {}
    for path in PACKAGE.rglob("*.py"):
        *folders, name = path.relative_to(PACKAGE).with_suffix("").parts
        parts = folders if name == "__init__" else [*folders, name]
        paths[".".join(parts)] = path
    del paths[""]
    return paths


MODULES = modules()


def is_door(node: ast.AST) -> bool:
    """Whether it is `if __name__ == "__main__":`, which no import of the module runs."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All of a module, functions included, less its door."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not is_door(child):
            yield from nodes(child)


def imports(path: Path) -> set[str]:
    """The modules of the package that a file imports, at its top or within its functions."""
    names: set[str] = set()
    for node in nodes(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if known(name) else node.module for name in inner}
    return {name.removeprefix("bench.") for name in names if known(name)}


def known(name: str) -> bool:
    return name.startswith("bench.") and name.removeprefix("bench.") in MODULES


GRAPH = {
    name: imports(path) - {name} for name, path in MODULES.items() if path.name != "__main__.py"
}


def room(module: str) -> str:
    return module.partition(".")[0]


def test_no_circle() -> None:
    TopologicalSorter(GRAPH).prepare()  # raises CycleError, which names it


def test_every_room_has_a_floor() -> None:
    assert {room(module) for module in MODULES} == set(FLOOR_OF)
    assert len(FLOORS) <= 8


@pytest.mark.parametrize("module", sorted(GRAPH))
def test_every_import_goes_down(module: str) -> None:
    here = FLOOR_OF[room(module)]
    for other in GRAPH[module]:
        there = FLOOR_OF[room(other)]
        assert there > here or room(other) == room(module) or there == here == GROUND, other

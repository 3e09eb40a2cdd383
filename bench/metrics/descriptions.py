"""What metrics say of themselves, read from their source: importing them takes torch."""

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bench.storage import CONF


class Description(NamedTuple):
    """What is said of a metric."""

    unit: str
    better: str | None
    line: str


def line_of(name: str) -> str:
    """What a column of conf/metrics measures, in one line; empty for columns of somebody's own."""
    path = _paths().get(name)
    described = read_description(path) if path else None
    return described.line if described else ""


@cache
def _paths() -> dict[str, str]:
    choices = (
        yaml.safe_load(file.read_text("utf-8")) for file in (CONF / "metrics").glob("*.yaml")
    )
    return {name: path for choice in choices for name, path in choice.get("compute", {}).items()}


def read_description(path: str) -> Description | None:
    """Of a metric by its import path; None where its source says it in another way than ours."""
    module, _, name = path.rpartition(".")
    statements = _statements(module)
    functions = {node.name: node for node in statements if isinstance(node, ast.FunctionDef)}
    for node in statements:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            for decorator in node.decorator_list:
                return _described(decorator, ast.get_docstring(node) or "")
        # One of several alike: `name = maker("what it measures", ...)`.
        match node:
            case ast.Assign(
                targets=[ast.Name(id=target)], value=ast.Call(func=ast.Name(id=maker), args=texts)
            ) if target == name and maker in functions:
                line = ": ".join(str(ast.literal_eval(text)) for text in texts)
                calls = (n for n in ast.walk(functions[maker]) if isinstance(n, ast.Call))
                for call in calls:
                    if isinstance(call.func, ast.Name) and call.func.id == "metric":
                        return _described(call, line)
    return None


def _described(call: Any, document: str) -> Description:  # noqa: ANN401 - an expression
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    unit, better = (ast.literal_eval(keywords[key]) for key in ("unit", "better"))
    return Description(unit, better, first_line(document))


def first_line(document: str) -> str:
    """Of a docstring."""
    return document.strip().partition("\n")[0]


@cache
def _statements(module: str) -> list[ast.stmt]:
    """Of a module's source; none where there is none."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return []
    return ast.parse(Path(spec.origin).read_text("utf-8")).body

"""Metrics: unit, direction, and what each measures; ↑ more is better, ↓ less is, else only shown.

Examples:
  steadybench metrics                          all of the offline set
  steadybench metrics metrics=[offline,i2v]    those of a choice of conf/metrics
  steadybench metrics --config-dir mine        with metrics of your own
"""

import ast
import importlib.util
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from bench.commands import parser
from bench.config import add_overrides, build_metrics, compose_config, plain, read_overrides
from bench.errors import attempt


class Description(NamedTuple):
    """What is said of a metric."""

    unit: str
    better: str | None
    line: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    command = parser("metrics", __doc__)
    add_overrides(command)
    options = read_overrides(command, arguments)
    return attempt(lambda: _list(plain(compose_config("bench", options))["metrics"]["compute"]))


def _list(configured: dict[str, str]) -> int:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("metric", "unit", "measures"):
        table.add_column(column)
    for name, path in configured.items():
        metric = describe(path)
        arrow = {"higher": " ↑", "lower": " ↓"}.get(str(metric.better), "")
        table.add_row(Text(name + arrow), Text(metric.unit), Text(metric.line))
    Console(width=None if sys.stdout.isatty() else 140, highlight=False).print(table)
    return 0


def describe(path: str) -> Description:
    """A metric by its import path: read from its source, since importing it takes torch.

    One whose source says it in another way than the package's own is imported.
    """
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
    metric = build_metrics({name: path})[name]
    return Description(metric.unit, metric.better, _first(metric.function.__doc__ or ""))


def _described(call: Any, document: str) -> Description:  # noqa: ANN401 - an expression
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    unit, better = (ast.literal_eval(keywords[key]) for key in ("unit", "better"))
    return Description(unit, better, _first(document))


def _first(document: str) -> str:
    return document.strip().partition("\n")[0]


@cache
def _statements(module: str) -> list[ast.stmt]:
    """Of a module's source; none where there is none."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return []
    return ast.parse(Path(spec.origin).read_text("utf-8")).body


if __name__ == "__main__":
    sys.exit(main())

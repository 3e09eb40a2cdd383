"""What a metric is: a pure function of one analysed clip, with unit, direction and version.

What one says of itself is read from its source too: importing it takes torch.
"""

import ast
import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import yaml

from bench.errors import Unscored
from bench.storage import CONF

if TYPE_CHECKING:
    from bench.vision.analysis import Analysis

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Scored:
    """A value, and what stands behind it.

    Attributes:
        value: the number; finite, or the clip counts as unscored.
        series: name to the numbers of a curve, None where a point has none; kept in the score
            record for plots.
        note: one line that a reader of the value should know; None if there is nothing to say.
    """

    value: float
    series: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True)
class Metric:
    """A named function from an analysed clip to a number.

    Attributes:
        id: what the formula is called in every score's fingerprint. It never changes, wherever the
            function moves; values of another `version` of one id do not compare.
        unit: what the number counts, for people.
        better: which direction is better; None for a metric that ranks nobody.
        version: raised whenever the function gives other values for the same clip.
        needs: the backbones it draws on; their fingerprints are part of the metric's.
        prompted: whether it reads the suite's prompts, so that other prompts give other values.
        based: whether it reads the base's clip, so that another such clip gives another value.
        function: the computation; raises Unscored where the clip allows no value.
    """

    id: str
    unit: str
    better: Better | None
    version: int
    needs: tuple[str, ...]
    prompted: bool
    based: bool
    function: "Callable[[Analysis], float | Scored]"

    @property
    def line(self) -> str:
        """What it measures: the first line of its function's docstring."""
        return first_line(self.function.__doc__ or "")

    def __call__(self, analysis: "Analysis") -> float:
        """The value of `score`."""
        return self.score(analysis).value

    def score(self, analysis: "Analysis") -> Scored:
        """The metric's value for this clip, and what stands behind it.

        Raises:
            Unscored: if it has none; the message says why.
        """
        result = self.function(analysis)
        scored = result if isinstance(result, Scored) else Scored(float(result))
        if not math.isfinite(scored.value):
            raise Unscored(f"the result is not finite ({scored.value})")
        return scored


def metric(
    *,
    unit: str,
    better: Better | None,
    version: int = 1,
    needs: Sequence[str] = (),
    prompted: bool = False,
    based: bool = False,
    id: str | None = None,
) -> "Callable[[Callable[[Analysis], float | Scored]], Metric]":
    """Make a function a Metric; it is listed by its import path in `conf/metrics/`.

    Without an `id` it is called by its import path: give it that path as its id when it moves.
    """

    def wrap(function: "Callable[[Analysis], float | Scored]") -> Metric:
        name = id or f"{function.__module__}.{function.__qualname__}"
        return Metric(name, unit, better, version, tuple(needs), prompted, based, function)

    return wrap


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

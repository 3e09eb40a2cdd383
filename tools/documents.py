"""The generated parts of the documentation: python -m tools.documents writes them anew.

Of docs/models.md the list of models, of docs/results.md the fields of the JSON files, of
docs/cost.md the tables of the published leaderboard, and a JSON Schema of result.json.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.commands.models import HEADINGS, catalogue, cells
from bench.schema import ClipRecord, Loaded, Result, Run, ScoreRecord
from bench.storage import PACKAGE, write_text

DOCS = PACKAGE.parent / "docs"
BOARD = PACKAGE.parent / "leaderboard" / "README.md"

_FILES = (Result, Run, Loaded, ClipRecord, ScoreRecord)
_PLAIN = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false"}


def documents() -> dict[Path, str]:
    """Each file that holds generated parts, and what it says with these of today."""
    models, results, cost = DOCS / "models.md", DOCS / "results.md", DOCS / "cost.md"
    mark, begin, end = "<!-- models -->", "<!-- fields: begin -->", "<!-- fields: end -->"
    example = cost.read_text("utf-8")
    for suite in ("toy", "toy_groups"):
        at = f"<!-- cost: {suite} -->"
        example = _replaced(example, at, at, f"\n{_costs(suite)}")
    return {
        cost: example,
        models: _replaced(models.read_text("utf-8"), mark, mark, f"\n{_models()}"),
        results: _replaced(results.read_text("utf-8"), begin, end, f"\n\n{_reference()}\n"),
        DOCS / "result.schema.json": _json_schema(),
    }


def _replaced(page: str, begin: str, end: str, part: str) -> str:
    """A page with another part between two marks."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{part}{end}{after}"


def _costs(suite: str) -> str:
    """The table of yield and cost of a suite, as the published leaderboard has it."""
    section = BOARD.read_text("utf-8").partition(f" ({suite})\n")[2]
    table = section.partition("\n### Yield and cost\n")[2].partition("\n| ")[2].partition("\n\n")[0]
    return f"| {table}\n"


def _models() -> str:
    rows = [HEADINGS, ["---"] * len(HEADINGS), *map(cells, catalogue())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _json_schema() -> str:
    """JSON Schema (draft 2020-12) of `result.json`."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(schema | Result.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


def _reference() -> str:
    """A table of the fields of every object, as markdown: files first, then what they hold."""
    definitions: dict[str, Any] = {}
    for kind in _FILES:
        schema = kind.model_json_schema()
        definitions |= {kind.__name__: schema} | schema.pop("$defs", {})
    files = [kind.__name__ for kind in _FILES]
    names = files + sorted(definitions.keys() - set(files))
    return "\n".join(line for name in names for line in _table(name, definitions[name]))


def _table(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield _one_line(schema["description"])
    yield ""
    yield "| key | value | meaning |"
    yield "| --- | --- | --- |"
    required = schema.get("required", ())
    for key, field in schema["properties"].items():
        optional = "" if key in required else "; may be missing"
        yield f"| `{key}` | {_value(field)}{optional} | {_one_line(field['description'])} |"
    yield ""


def _value(field: Mapping[str, Any]) -> str:
    """What may stand there: kind, range, unit."""
    if "anyOf" in field:
        return " or ".join(_value(choice) for choice in field["anyOf"])
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"{field['const']}"
    kind = field.get("type")
    if kind == "array":
        return f"list of {_value(field['items'])}"
    if kind == "object":
        values = field.get("additionalProperties")
        keys = field.get("propertyNames", {}).get("enum", ())
        named = f" with the keys {', '.join(f'`{key}`' for key in keys)}" if keys else ""
        return f"object{named}" + (f" of {_value(values)}" if isinstance(values, Mapping) else "")
    words = [_PLAIN.get(str(kind), str(kind or "any JSON")), field.get("unit", "")]
    if "minimum" in field:
        words.append(f"{_limit(field['minimum'])} to {_limit(field['maximum'])}")
    return ", ".join(filter(None, words))


def _limit(number: float) -> str:
    """A power of two as such, since its digits say nothing."""
    power = number > 1 and math.log2(number)
    return f"2^{power:.0f}" if power > 10 and float(power).is_integer() else f"{number:g}"


def _one_line(text: str) -> str:
    """The first paragraph, on one line of a table."""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")


if __name__ == "__main__":
    for path, text in documents().items():
        write_text(path, text)

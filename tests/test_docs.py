import re
from pathlib import Path

import pytest
import yaml

from bench.config import build_metrics
from bench.faults.registry import FAULTS
from bench.storage import CONF

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "prompts" / "README.md", *sorted(DOCS.glob("*.md"))]
PAGE = (DOCS / "method.md").read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The names by which GitHub links the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_metric_is_explained() -> None:
    names = {
        name
        for choice in ("compute", "full", "i2v")
        for name in yaml.safe_load((CONF / "metrics" / f"{choice}.yaml").read_text())["compute"]
    }
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_the_list_of_columns_is_what_the_docstrings_say() -> None:
    rows = []
    for choice in ("compute", "i2v"):
        chosen = yaml.safe_load((CONF / "metrics" / f"{choice}.yaml").read_text())["compute"]
        for name, metric in build_metrics(chosen).items():
            about = " ".join((metric.function.__doc__ or "").split("\n\n")[0].split())
            about = about.replace("|", "\\|")
            rows.append(f"| `{name}` | {metric.better or '-'} | {metric.unit} | {about} |")
    listed = (DOCS / "metrics.md").read_text("utf-8").split("<!-- metrics -->")[1]
    assert [line for line in listed.splitlines() if line.startswith("| `")] == rows


def test_the_sums_of_the_example_of_costs_are_of_its_tables() -> None:
    example = (DOCS / "cost.md").read_text("utf-8").partition("## An example\n")[2]
    lines = example.partition("\n## ")[0].splitlines()
    tables = "\n".join(line for line in lines if line.startswith("|"))
    costs = re.findall(r"\b0\.0\d{3}\b", "\n".join(set(lines) - set(tables.splitlines())))
    assert len(costs) > 4
    assert [number for number in costs if f" {number} " not in tables] == []


def test_every_fault_has_its_picture_and_no_picture_is_left_over() -> None:
    pages = PAGE + (DOCS / "validation.md").read_text("utf-8")
    pictures = set(re.findall(r"!\[\w+\]\(figures/(\w+)\.png\)", pages))
    drawn = {file.stem for file in (DOCS / "figures").iterdir()}
    assert pictures == drawn == set(FAULTS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = page.read_text("utf-8")
    for link, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", text):
        target = page.parent / link if link else page
        assert target.exists(), link
        if heading:
            assert heading in anchors(target), f"{link}#{heading}"


def test_every_line_of_what_happens_names_a_test_that_exists() -> None:
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }
    page = (DOCS / "strangers.md").read_text("utf-8")
    rows = re.findall(
        r"^\| (?!if |in a |somebody |---)(.*) \| (.*) \| (.*) \|$", page, re.MULTILINE
    )
    assert len(rows) > 30
    for what, then, tests in rows:
        names = re.findall(r"`(test_\w+)`", tests)
        assert names or (tests == "none can" and then.startswith("nothing")), what
        assert {*names} <= defined, what

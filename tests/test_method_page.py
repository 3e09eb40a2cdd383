import re
from pathlib import Path

import yaml

from bench.generators.faults import FAULTS
from bench.paths import CONF

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "method.md").read_text(encoding="utf-8")


def test_every_metric_is_explained() -> None:
    names = {
        name
        for choice in ("compute", "full", "i2v")
        for name in yaml.safe_load((CONF / "metrics" / f"{choice}.yaml").read_text())["compute"]
    }
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_every_fault_has_its_picture_and_no_picture_is_left_over() -> None:
    shown = set(re.findall(r"!\[\w+\]\(figures/(\w+)\.png\)", PAGE))
    drawn = {file.stem for file in (DOCS / "figures").iterdir()}
    assert shown == drawn == set(FAULTS)


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert [link for link in links if not (DOCS / link).exists()] == []

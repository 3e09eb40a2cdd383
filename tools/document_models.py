"""Write the list of models into docs/models.md: python -m tools.document_models."""

from pathlib import Path

from bench.commands.models import HEADINGS, catalogue, cells

PAGE = Path(__file__).parent.parent / "docs" / "models.md"

MARK = "<!-- models -->"


def table() -> str:
    """The list as markdown."""
    rows = [HEADINGS, ["---"] * len(HEADINGS), *map(cells, catalogue())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    before, _, after = PAGE.read_text("utf-8").split(MARK)
    PAGE.write_text(f"{before}{MARK}\n{table()}{MARK}{after}", "utf-8")

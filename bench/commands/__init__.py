"""One thin module per command."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter


def parser(name: str, document: str | None) -> ArgumentParser:
    """The parser of a command, whose help is its module's docstring as it stands."""
    return ArgumentParser(
        prog=f"steadybench {name}",
        description=document,
        formatter_class=RawDescriptionHelpFormatter,
    )

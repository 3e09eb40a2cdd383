"""`python -m bench.leaderboard`: see bench/commands/publish.py and check.py."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish, or with `--check [DIR]` check."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "--check" in given:
        from bench.commands.check import main as check

        given.remove("--check")
        return check(given)
    from bench.commands.publish import main as publish

    return publish(given)


if __name__ == "__main__":
    sys.exit(main())

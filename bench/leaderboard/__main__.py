"""`python -m bench.leaderboard`: see bench/commands/leaderboard.py."""

import sys

from bench.commands.leaderboard import main

if __name__ == "__main__":
    sys.exit(main())

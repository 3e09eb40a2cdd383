"""`python -m bench.validation`: see bench/commands/health.py."""

import sys

if __name__ == "__main__":
    from bench.commands.health import main

    sys.exit(main())

"""`python -m bench.validation`: `steadybench validate`."""

import sys

from bench.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "validate")
    sys.exit(main())

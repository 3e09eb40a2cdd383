"""`python -m bench`: see bench/cli.py."""

import sys

try:
    from bench.cli import main
except KeyboardInterrupt:  # the imports take seconds; stopping them is no accident
    sys.exit(130)

sys.exit(main())

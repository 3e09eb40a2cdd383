"""`python -m bench`: see bench/cli.py; alone it is a run, as ever."""

import sys

from bench.cli import main

if len(sys.argv) == 1:
    sys.argv.append("run")
sys.exit(main())

"""A short torture; `make torture` is the long one."""

import re
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("torture.py")


def test_nothing_is_lost_torn_or_done_twice() -> None:
    command = [sys.executable, PROGRAM, "--kills", "10", "--share", "0.01"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \|((?: 0 \|){5})$", ran.stdout, re.MULTILINE)
    assert sum(int(number) for what, number, _ in rows if what.startswith("killed")) >= 10
    assert len(rows) >= 15

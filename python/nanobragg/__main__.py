"""``python -m nanobragg``: the command line."""

from __future__ import annotations

import sys

from nanobragg.cli import command

if __name__ == "__main__":
    sys.exit(command())

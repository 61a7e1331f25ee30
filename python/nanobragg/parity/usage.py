"""What the parity programs' command lines share."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

USAGE = 1
"""Exit status of a usage error."""


class Parser(argparse.ArgumentParser):
    """Usage errors end with status :data:`USAGE`; argparse's own is 2, which says something else here."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and end."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def add_options_of_cases(parser: Parser) -> None:
    """What all fuzzers of command lines can be asked for."""
    parser.add_argument("--cases", type=int, default=500, help="command lines (500)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same command lines (1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first command line (0)")
    parser.add_argument("--outdir", default="nb_fuzz", help="where findings go (nb_fuzz)")
    parser.add_argument("--seconds", type=float, help="stop after this time")
    parser.add_argument("--no-shrink", action="store_true", help="report command lines as they were drawn")

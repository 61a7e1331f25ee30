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

"""What the figures were made with."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return found.group(1) if found else platform.processor()


def _first_line(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.splitlines()[0] if done.stdout else None


def _core_compiler() -> str | None:
    """What the compiled core says that it was made with."""
    from nanobragg import _core

    data = Path(_core.__file__).read_bytes()
    found = re.search(rb"(GCC: \([^)]*\) [0-9.]+|clang version [0-9.]+)", data)
    return found.group(1).decode() if found else None


def describe() -> dict[str, Any]:
    """Processor, instruction set, cores, compiler, versions and date."""
    import numpy as np

    from nanobragg import _core

    return {
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "instruction_set": _core.instruction_set(),
        "instruction_sets": list(_core.instruction_sets()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0],
        "system": platform.platform(),
        "core_compiler": _core_compiler(),
        "compiler": _first_line([os.environ.get("CXX", "g++"), "--version"]),
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "nanobragg": _core.__version__,
        "commit": _first_line(["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }

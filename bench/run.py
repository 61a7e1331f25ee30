"""``python bench/run.py``: the benchmark suite (``bench/README.md``)."""

from __future__ import annotations

import sys

from nanobragg_bench.main import main

if __name__ == "__main__":
    sys.exit(main())

"""Benchmarks of nanobragg beside the original, nanoBragg.c (``bench/README.md``)."""

from __future__ import annotations


class BenchError(RuntimeError):
    """A benchmark that cannot be run: one sentence that says why."""

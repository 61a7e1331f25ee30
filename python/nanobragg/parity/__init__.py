"""Is it the same? Tools that hold nanobragg against nanoBragg.c, and find out why where they differ.

``nb-compare`` (:mod:`.compare`), ``nb-trace-diff`` (:mod:`.trace_diff`), ``python -m nanobragg.parity.fuzz`` and
``python -m nanobragg.parity.golden``. See ``specs/parity.md``.
"""

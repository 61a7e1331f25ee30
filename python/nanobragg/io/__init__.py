"""Files in and out: one module per format, each a pair of pure functions (``specs/formats.md``)."""

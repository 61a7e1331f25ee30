"""The field's acceptance tests that are bare command lines (golden_data/acceptance.md), by their identifiers.

The bar is ours: the sum and the maximum of nanoBragg.c to 1e-6.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from conftest import GOLDEN
from nanobragg import simulate

CASES = [json.loads(line) for line in (GOLDEN / "acceptance.jsonl").read_text().splitlines()]

# The reference values were made with output options behind these words, which -misset_seed then read as angles
# (quirk misset_seed_parse): the same words must stand there for the same crystal.
ENDS_WITH_SEED = ("-misset_seed 12345", "-misset_seed 54321")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_command_line(case: dict[str, Any], in_folder) -> None:
    in_folder()
    args, reference = case["args"], case["reference"]
    if args.endswith(ENDS_WITH_SEED) and "-phi 0" in args:
        args += " -nonoise -nopgm -noprogress"
    image = simulate(args=args).data
    finite = np.isfinite(image)
    assert image.size == reference["pixels"]
    assert np.count_nonzero(~finite) == reference["nonfinite"]
    assert image[finite].sum(dtype=float) == pytest.approx(reference["sum"], rel=1e-6)
    assert float(image[finite].max()) == pytest.approx(reference["max"], rel=1e-6)

"""Files of other programs that are cut or something else than their name says (damage of all kinds:
``test_fuzz_files.py``).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobragg import InputError
from nanobragg.io.factors.kinds import FORMATS, structure_factor_kind
from nanobragg.io.geometry.any_file import read_file_geometry
from nanobragg.parity.file_samples import samples


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_some_kind_of_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        assert structure_factor_kind(path) in {"text", "model", *FORMATS}


def test_a_cut_cbf_is_refused_at_once(tmp_path: Path) -> None:
    """An interrupted copy: fabio would look for its pixels for ever."""
    content = next(sample.content for sample in samples() if sample.format == "CBF")
    path = tmp_path / "a.cbf"
    for cut in (200, content.index(b"--CIF-BINARY") + 40, content.index(b"\x0c\x1a\x04\xd5")):
        path.write_bytes(content[:cut])
        with pytest.raises(InputError, match=r"a\.cbf"):
            read_file_geometry(path)

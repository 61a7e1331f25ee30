"""The names of ready-made detectors. What they are is in :mod:`nanobragg.records.detector_table`, which takes longer to
import than a command line takes to be read.
"""

from __future__ import annotations

from nanobragg.records.kinds import Kind, Mismatch

NAMES: dict[str, tuple[str, ...]] = {
    "PILATUS 1M": (),
    "PILATUS 2M": (),
    "PILATUS 6M": (),
    "P12M": ("PILATUS 12M", "P12M barrel"),
    "EIGER 1M": ("EIGER X 1M",),
    "EIGER 4M": ("EIGER X 4M",),
    "EIGER 9M": ("EIGER X 9M",),
    "EIGER 16M": ("EIGER X 16M",),
    "EIGER2 1M": ("EIGER2 X 1M", "EIGER2 XE 1M"),
    "EIGER2 4M": ("EIGER2 X 4M", "EIGER2 XE 4M"),
    "EIGER2 9M": ("EIGER2 X 9M", "EIGER2 XE 9M"),
    "EIGER2 16M": ("EIGER2 X 16M", "EIGER2 XE 16M"),
    "JUNGFRAU 4M": (),
    "JUNGFRAU 4M LCLS": (),
    "CSPAD": (),
    "ePix10k2M": ("ePix10k 2M", "ePix10ka2M"),
    "AGIPD 1M": (),
    "MPCCD": (),
    "Rayonix MX340-HS": (),
    "Rayonix MX340-HS 2x2": (),
    "Rayonix MX340-HS 4x4": (),
}
"""Each with its other names."""


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def detector_name(name: str) -> str:
    """The name of a ready-made detector as the table has it.

    Raises :class:`InputError` for one that is not known, with the nearest one.
    """
    try:
        return _read(name)
    except Mismatch as mismatch:
        raise DETECTOR.refusal(mismatch, name, "Detector.named") from None


def _read(value: object) -> str:
    if not isinstance(value, str):
        raise Mismatch
    known = {_plain(spelt): name for name, also in NAMES.items() for spelt in (name, *also)}
    found = known.get(_plain(value))
    if found is None:
        import difflib

        near = difflib.get_close_matches(_plain(value), known, 1, 0.5)
        raise Mismatch("", f"{DETECTOR.expected}; did you mean {known[near[0]]}?" if near else "")
    return found


DETECTOR = Kind(
    expected="a detector that nanobragg --detectors lists",
    read=_read,
    schema={"anyOf": [{"enum": list(NAMES)}, {"type": "string"}]},
    words=tuple(name.replace(" ", "_") for name in NAMES),
    argument="name",
)

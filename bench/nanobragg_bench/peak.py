"""How near a kernel is to what the processor can do."""

from __future__ import annotations

from nanobragg_bench.arithmetic import Count, operations

Rates = dict[str, float]
"""floating-point operations per second of one thread, a fused multiply-add being two: ``double`` and ``single``"""


def peak_rates(seconds: float) -> Rates | None:
    """Measure the peak rates; ``None`` if this build of the core cannot (``_core.peak_flops(precision, seconds)``)."""
    from nanobragg import _core

    measure = getattr(_core, "peak_flops", None)
    if measure is None:
        return None
    return {precision: float(measure(precision, seconds)) for precision in ("double", "single")}


def fraction_of_peak(
    rates: Rates | None,
    kernel: tuple[str, str],
    precision: str,
    sharing: tuple[bool, bool],
    seconds: float,
    evaluations: int,
    threads: int,
) -> float | None:
    """Time that the arithmetic would take at the peak rate, over the time that it took.

    Args:
        rates: of the processor.
        kernel: shape and source of F (``arithmetic.py``).
        precision: ``double`` or ``mixed``.
        sharing: whether wavelengths share their indices, and whether beams share their cosines.
        seconds: that it took.
        evaluations: that were made.
        threads: that made them.

    """
    counted = operations(*kernel, precision, *sharing)
    if rates is None or counted is None or evaluations == 0:
        return None
    return ideal_seconds(rates, counted) * evaluations / (seconds * threads)


def ideal_seconds(rates: Rates, counted: dict[str, Count]) -> float:
    """Time of the arithmetic of one evaluation at the peak rates."""
    return sum(count.flops / rates[kind] for kind, count in counted.items())

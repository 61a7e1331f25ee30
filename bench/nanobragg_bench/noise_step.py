"""The noise image of cubic_4096 at 1e30 photons/m2: the noise step alone, its file included."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from nanobragg_bench.cases import Case, by_name, furnish
from nanobragg_bench.comparison import Agreement, smv_pixels
from nanobragg_bench.programs import Job, ask_worker, run_processes
from nanobragg_bench.rows import Row, Settings, median, ratios_of

THREADS = 2
SEED = 1


def measure_noise(settings: Settings) -> list[Row]:
    """One row for each generator, and one for a GPU where it was asked for.

    The original's time is that of its run with noise less that of its run without.
    """
    case = by_name("cubic_4096")
    case = case.small() if settings.quick else case
    words = [*case.command.split(), "-fluence", "1e30", "-nopgm"]
    folder = settings.scratch / "noise_4096"
    furnish(case, folder, settings.shared)
    image = folder / "floatimage.bin"
    if settings.original is None:
        _our_image(folder, case, words, image)
    original: list[float] = []
    answers: dict[str, list[dict[str, Any]]] = {"exact": [], "fast": []}
    for pair in range(settings.repeat):
        settings.say(f"noise_4096: pair {pair + 1}")
        if settings.original is not None and pair % 2 == 0:
            original.append(_original(settings.original, words, folder))
        for rng, found in answers.items():
            found.append(_ours(settings, folder, words, image, rng))
        if settings.original is not None and pair % 2 == 1:
            original.append(_original(settings.original, words, folder))
    rows = [_row(settings, folder, rng, found, original) for rng, found in answers.items()]
    return rows if settings.device.gpu is None else [*rows, _on_the_device(settings, folder, words)]


def _on_the_device(settings: Settings, folder: Path, words: list[str]) -> Row:
    """The image and its noise stay there."""
    answer = ask_worker(
        folder,
        "device_noise",
        words=[*words, "-nonoise"],
        device=settings.device.name,
        seed=SEED,
        at_least=settings.at_least,
        at_most=2000,
    )
    return Row(
        case="noise_4096",
        what="noise_4096",
        variant="on the device",
        device=settings.device.label,
        threads=1,
        seconds=answer["seconds"],
        evaluations=answer["pixels"],
        peak_memory_bytes=answer["peak_memory_bytes"],
        agreement=Agreement("the CPU's fast generator", answer["pixels"], answer["different"]),
        note="evaluations are pixels; nothing is copied to the host",
    )


def _our_image(folder: Path, case: Case, words: list[str], image: Path) -> None:
    ask_worker(
        folder,
        "render",
        words=[*words, "-nonoise"],
        precision="double",
        threads=THREADS,
        image=image.name,
        at_least=0,
        at_most=1,
    )


def _original(program: str, words: list[str], folder: Path) -> float:
    noisy = [program, *words, "-noisefile", "original_noise.img", "-seed", str(SEED)]
    without, with_noise = run_processes(
        [Job([program, *words, "-nonoise"], folder, THREADS), Job(noisy, folder, THREADS)]
    )
    return with_noise.seconds - without.seconds


def _ours(settings: Settings, folder: Path, words: list[str], image: Path, rng: str) -> dict[str, Any]:
    return ask_worker(
        folder,
        "noise",
        words=[*words, "-nonoise"],
        image=image.name,
        rng=rng,
        seed=SEED,
        threads=THREADS,
        file=f"{rng}_noise.img",
        at_least=settings.at_least,
        at_most=5,
    )


def _row(settings: Settings, folder: Path, rng: str, answers: list[dict[str, Any]], original: list[float]) -> Row:
    ours = [answer["seconds"] for answer in answers]
    return Row(
        case="noise_4096",
        what="noise_4096",
        variant=rng,
        threads=THREADS,
        seconds=statistics.median(ours),
        original_seconds=median(original),
        ratios=ratios_of(original, ours),
        evaluations=answers[0]["pixels"],
        peak_memory_bytes=max(answer["peak_memory_bytes"] for answer in answers),
        agreement=_agreement(settings, folder, rng, answers[0]),
        note="evaluations are pixels; the file is written",
        extra={"drawing_seconds": statistics.median(answer["drawing_seconds"] for answer in answers)},
    )


def _agreement(settings: Settings, folder: Path, rng: str, answer: dict[str, Any]) -> Agreement:
    """``exact``: the original's bytes; ``fast``, and alone: as many photons as expected, to six standard deviations."""
    pixels = answer["pixels"]
    if rng == "exact" and settings.original is not None:
        ours, theirs = (smv_pixels(folder / name, pixels) for name in ("exact_noise.img", "original_noise.img"))
        return Agreement("original", pixels, int((ours != theirs).sum()))
    return Agreement("number of photons", pixels, 0 if answer["deviation"] < 6.0 else pixels)

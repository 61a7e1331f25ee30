"""A rotation series from one TOML file: its image, then the same with the spindle further on, and so forth.

    python examples/gallery/rotation_series.py examples/gallery/rotation.toml 12 rotation.h5

writes 12 images of counts into one NeXus file (NXmx), which DIALS, XDS' plug-ins and fabio read. Words after
the three are options of nanobragg and override the file's. Needs nanobragg[files].
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from nanobragg import Experiment, Image, simulate, write_nxmx


def rotation_series(config: str, count: int, words: Sequence[str] = ()) -> list[Image]:
    """``count`` images (slow, fast), each beginning at the angle at which the one before ended."""
    experiment = Experiment.from_args(["-config", config, *words])
    start, width = experiment.sampling.phi or 0.0, experiment.sampling.oscillation or 0.0
    images = []
    for number in range(count):
        sampling = replace(experiment.sampling, phi=start + number * width)
        image = simulate(experiment, sampling=sampling, precision="mixed")
        images.append(image.measured(seed=1, shot=number))
    return images


def main() -> None:
    """Render the series and write it."""
    parser = argparse.ArgumentParser(description="a rotation series in one file")
    parser.add_argument("config", help="TOML file of the first image")
    parser.add_argument("count", type=int, help="number of images")
    parser.add_argument("output", help="NeXus file to write (.h5)")
    options, words = parser.parse_known_args()
    write_nxmx(rotation_series(options.config, options.count, words), options.output)
    print(f"wrote {options.output}: {options.count} images")


if __name__ == "__main__":
    main()

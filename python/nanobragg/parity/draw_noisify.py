"""Random command lines of noisify.c, with the files that they name."""

from __future__ import annotations

import random

import numpy as np

from nanobragg.parity.command_line import CommandLine, Unit
from nanobragg.parity.companion_drawer import Drawer


def draw_noisify(seed: int, number: int) -> CommandLine:
    """The command line ``number`` of ``seed``."""
    return _Noisify(random.Random(f"noisify {seed} {number}")).draw()


class _Noisify(Drawer):
    def draw(self) -> CommandLine:
        rng = self.rng
        self.fast, self.slow = rng.randint(1, 40), rng.randint(1, 40)
        self._photons()
        self._size()
        self._noise()
        self._spread()
        self._counts()
        self._header_values()
        if self.may(0.08):
            self._other_words()
        if self.may(0.06):
            self.odd_numbers()
        return self.line()

    def _photons(self) -> None:
        rng = self.rng
        noise = np.random.default_rng(rng.randrange(2**32))
        count = self.fast * self.slow
        kind = rng.choice(("even", "spots", "faint", "dots", "levels", "negative", "zero", "whole"))
        image = noise.gamma(2.0, rng.choice((0.5, 5.0, 60.0)), count)
        if kind == "spots":
            image += 10.0 ** noise.uniform(1, 5, count) * (noise.random(count) < 0.02)
        elif kind == "faint":
            image *= rng.choice((1e-4, 1e-2))
        elif kind == "dots":
            image = 10.0 ** noise.uniform(0, 4, count) * (noise.random(count) < 0.03)
        elif kind == "levels":
            image = 10.0 ** noise.uniform(-1, 7.7, count)
        elif kind == "negative":
            image -= rng.uniform(1, 20)
        elif kind == "zero":
            image *= 0.0
        elif kind == "whole":
            image = np.floor(image) - (noise.random(count) < 0.1)
        if self.may(0.03):
            image[rng.randrange(count)] = rng.choice((np.nan, -1.0, 1e9))
        if self.may(0.06):
            image[0] = -1.0
        data = image.astype(np.float32).tobytes()
        if self.may(0.05):
            data = data[: len(data) - rng.randint(1, max(1, len(data) // 2))]
        elif self.may(0.05):
            data += bytes(rng.randint(1, 50))
        name = rng.choice(("in.bin", "in.bin", "in.bin", "floatimage.bin"))
        self.files[name] = data
        if name == "floatimage.bin" and self.may(0.5):
            self.add(name)
        else:
            self.add(rng.choice(("-bin", "-floatfile", "-floatimage")), name)

    def _size(self) -> None:
        rng = self.rng
        how = rng.random()
        if how < 0.5:
            self.add("-detpixels_x", self.fast)
            self.add("-detpixels_y", self.slow)
        elif how < 0.6:
            self.add(*rng.choice((("-detpixels_x", self.fast), ("-detpixels_y", self.slow))))
        elif how < 0.65:
            self.add("-detpixels", rng.choice((self.fast, self.slow, min(self.fast, self.slow))))
        elif how < 0.8:
            self._smv_header()
        if self.may(0.1):
            self.add(rng.choice(("-detsize", "-detsize_x", "-detsize_y")), self.number(0.1, 5))

    def _smv_header(self) -> None:
        rng = self.rng
        lines = {"DIM": "2", "BYTE_ORDER": rng.choice(("little_endian", "big_endian")), "TYPE": "unsigned_short"}
        lines |= {"SIZE1": str(self.fast), "SIZE2": str(self.slow)}
        optional = {
            "PIXEL_SIZE": self.number(0.05, 0.3),
            "SUB_PIXEL_SIZE": self.number(0.05, 0.3),
            "DISTANCE": self.number(50, 300),
            "WAVELENGTH": self.number(0.7, 2),
            "BEAM_CENTER_X": self.number(0, 5),
            "BEAM_CENTER_Y": self.number(0, 5),
        }
        lines |= {key: value for key, value in optional.items() if self.may(0.6)}
        size = rng.choice((512, 512, 1024))
        self.files["head.img"] = self.header(lines, size) + bytes(rng.choice((0, 10, 2 * self.fast * self.slow)))
        self.add("-header", "head.img")

    def _noise(self) -> None:
        rng = self.rng
        self.add(
            "-seed", rng.choice((rng.randint(1, 10**6), rng.randint(1, 10**6), 0, -rng.randint(1, 99), 2147483647))
        )
        if self.may(0.6):
            self.add("-calibration", rng.choice(("0", "0", "0.03", "0.1", "0.5", "-1")))
        if self.may(0.25):
            self.add("-calib_seed", rng.choice((rng.randint(1, 10**6), 0, -rng.randint(1, 99))))
        if self.may(0.25):
            self.add("-flicker", rng.choice(("0", "0.01", "0.1", "0.5")))
        if self.may(0.35):
            self.add(rng.choice(("-readout", "-readout_noise", "-readnoise")), rng.choice(("0", "1.5", "3", "20")))
        if self.may(0.1):
            self.add("-nonoise")
        if self.may(0.15):
            self.add("-scale", rng.choice((self.decade(0.01, 10), "-1", "0")))
        if self.may(0.08):
            self.add("-fluence", self.decade(1e28, 1e30))

    def _spread(self) -> None:
        rng = self.rng
        if not self.may(0.5):
            return
        self.add("-psf", rng.choice(("gauss", "gaussian", "fiber", "fiber", "fiber_gauss", "lorentz")))
        if self.may(0.5):
            self.add(
                rng.choice(("-psf_size", "-psf_fwhm", "-psf_width")), rng.choice((self.number(20, 300), "0", "46"))
            )
        if self.may(0.4):
            self.add("-psf_radius", rng.choice(("1", "2", "3.9", "7", "25", "1000", "-2", "0")))

    def _counts(self) -> None:
        rng = self.rng
        if self.may(0.35):
            self.add("-gain", rng.choice(("0.37", "2", "10", "1000", "-1", "0")))
        if self.may(0.35):
            self.add(
                rng.choice(("-adc", "-adcoffset", "-adc_offset")), rng.choice(("0", "10.75", "-3", "100", "200.5"))
            )
        if self.may(0.3):
            self.add("-bits", rng.choice((16, 32, 32, 32, 8)))
        if self.may(0.1):
            self.add("-nopgm")
        for name, file in (
            (rng.choice(("-intfile", "-intimage")), "a.img"),
            (rng.choice(("-pgmfile", "-pgmimage")), "b.pgm"),
            (rng.choice(("-noisefile", "-noiseimage")), "c.img"),
        ):
            if self.may(0.08):
                self.add(name, file)

    def _header_values(self) -> None:
        for name, low, high in (
            ("-pixel", 0.03, 0.3),
            ("-distance", 50.0, 400.0),
            ("-lambda", 0.7, 2.0),
            ("-Xbeam", 0.0, 5.0),
            ("-Ybeam", 0.0, 5.0),
            (self.rng.choice(("-phi", "-phistep")), 0.0, 90.0),
            ("-osc", 0.0, 2.0),
        ):
            if self.may(0.12):
                self.add(name, self.number(low, high))

    def _other_words(self) -> None:
        """Words that mean nothing, or something else than they seem to."""
        others: tuple[Unit, ...] = (
            *(("-badpix_seed", "3"), ("-hotpix_seed", "4"), ("-my-readout", "2"), ("-calib", "0.2"), ("-nothing", "1")),
            *(("stray",), ("-adc", "word"), ("-gain", "2x"), ("-bits",), ("-calibration", "-nopgm")),
        )
        self.units += self.rng.sample(others, self.rng.randint(1, 3))

"""Random command lines: legal combinations of all options, weighted by what people do."""

from __future__ import annotations

import random
from itertools import product

from nanobragg.parity.command_line import CommandLine, Unit, Words

CONVENTIONS = ("-mosflm", "-xds", "-adxv", "-denzo", "-dials")


def draw(seed: int, number: int) -> CommandLine:
    """The command line ``number`` of ``seed``."""
    return RandomLine(random.Random(f"{seed} {number}")).draw()


class RandomLine(Words):
    """One command line in the making, part by part."""

    def draw(self) -> CommandLine:
        self.wavelength = 1.0
        self._orientation()
        self._structure_factors()
        self._crystal()
        self._pixels()
        self._position()
        self._sensor()
        self._beam()
        self._sources()
        self._sampling()
        self._output()
        if self.may(0.15):
            self._said_again()
        if self.may(0.05):
            self._odd_numbers()
        if self.may(0.5):
            self.rng.shuffle(self.units)
        return CommandLine(units=tuple(self.units), files=self.files, first=self.first)

    def _said_again(self) -> None:
        """Options that contradict those before: the last one wins, or a rule decides."""
        other = RandomLine(self.rng)
        other.nfast, other.nslow, other.pixel = self.nfast, self.nslow, self.pixel
        other._crystal()
        other._position()
        other._sensor()
        other._beam()
        other._sampling()
        without_files = [unit for unit in other.units if unit[0] != "-sourcefile"]
        self.units += self.rng.sample(without_files, min(len(without_files), self.rng.randint(1, 4)))

    def _odd_numbers(self) -> None:
        """Numbers with something behind them, which C's atof and atoi do not look at."""
        for i, unit in enumerate(self.units):
            if len(unit) == 2 and unit[1].replace(".", "").isdigit() and self.may(0.4):
                self.units[i] = (unit[0], unit[1] + self.rng.choice(("A", "mm", ".0", ",", "_x")))

    def _orientation(self) -> None:
        how = self.rng.random()
        if how < 0.85:
            self._cell()
        if how > 0.78:
            self._matrix()
        if self.may(0.45):
            self.add("-misset", self.signed(180), self.signed(180), self.signed(180))
        elif self.may(0.15):
            self.add("-misset", "random")
            self.add("-misset_seed", self.rng.randint(-50, 100000))

    def _cell(self) -> None:
        a = [self.number(20, 150) for _ in range(3)]
        kind = self.rng.random()
        if kind < 0.3:
            self.add("-cell", a[0], a[0], a[0], 90, 90, 90)
        elif kind < 0.5:
            self.add("-cell", *a, 90, 90, 90)
        elif kind < 0.65:
            self.add("-cell", *a, 90, self.number(91, 125), 90)
        elif kind < 0.75:
            self.add("-cell", a[0], a[0], a[2], 90, 90, 120)
        elif kind < 0.93:
            self.add("-cell", *a, self.number(72, 108), self.number(72, 108), self.number(72, 108))
        else:
            self.add("-cell", *[*a, "80", "95"][: self.rng.randint(1, 5)])

    def _matrix(self) -> None:
        size = self.rng.uniform(0.008, 0.04)
        rows = [[self.rng.gauss(0.0, 0.2) * size + (size if i == j else 0.0) for j in range(3)] for i in range(3)]
        text = "".join(" ".join(f"{x:12.8f}" for x in row) + "\n" for row in rows)
        if self.may(0.5):
            text += "       0.000       0.000       0.000\n  70.0 80.0 90.0 90.0 90.0 90.0\n"
        self.files["A.mat"] = text.encode()
        self.add(self.rng.choice(("-mat", "-mat", "-matrix")), "A.mat")

    def _structure_factors(self) -> None:
        if self.may(0.55):
            self.add("-default_F", self.decade(0.1, 1e4))
        else:
            self._hkl()
        if self.may(0.12):
            self.add("-interpolate")
        elif self.may(0.12):
            self.add("-nointerpolate")

    def _hkl(self) -> None:
        reach = [self.rng.randint(1, 12) for _ in range(3)]
        full = self.may(0.5)
        low = [-n if self.may(0.85) else self.rng.randint(-n, 0) for n in reach]
        indices = product(*(range(first, last + 1) for first, last in zip(low, reach, strict=True)))
        # Quarters: nanoBragg.c misreads a cache whose first bytes are white space (specs/formats.md).
        lines = [
            " ".join(str(i) for i in hkl) + f" {self.rng.randint(4, 1200) / 4.0:g}\n"
            for hkl in indices
            if full or self.may(0.3)
        ]
        self.files["P1.hkl"] = "".join(lines or ["0 0 1 10\n"]).encode()
        default = ("-default_F", f"{self.rng.randint(1, 400) / 4.0:g}") if self.may(0.5) else None
        if self.may(0.12):  # from a cache that another run has written
            tiny: tuple[Unit, ...] = (("-cell", "50"), ("-detpixels", "2"), ("-nonoise",), ("-nopgm",))
            self.first = (("-hkl", "P1.hkl"), *tiny, *([default] if default else []))
            self.add("-default_F", self.decade(0.1, 100))
            return
        self.add("-hkl", "P1.hkl")
        if default:
            self.add(*default)
        if self.may(0.05):
            self.add("-dump", "F.bin")

    def _crystal(self) -> None:
        how = self.rng.random()
        if how < 0.45:
            self.add("-N", self.rng.randint(1, 12))
        elif how < 0.75:
            for axis in "abc":
                if self.may(0.85):
                    self.add(f"-N{axis}", self.rng.randint(1, 30 if self.may(0.2) else 10))
        elif how < 0.87:
            self.add(self.rng.choice(("-xtalsize", "-samplesize", "-xtal_size")), self.decade(5e-6, 2e-4))
        elif how < 0.95:
            for name in ("-xtal_thick", "-sample_width", "-sample_height", "-xtal_x", "-sample_y", "-xtal_z"):
                if self.may(0.5):
                    self.add(name, self.decade(5e-6, 2e-4))
        if self.may(0.4):
            self.add(self.rng.choice(("-square_xtal", "-round_xtal", "-gauss_xtal", "-tophat_spots", "-binary_spots")))
            if self.may(0.25):
                self.add("-fudge", self.number(0.3, 3.0))
        if self.may(0.3):
            self.add(self.rng.choice(("-mosaic", "-mosaicity", "-mosaic_spread")), self.number(0.01, 2.0))
            if self.may(0.8):
                self.add(self.rng.choice(("-mosaic_domains", "-mosaic_dom")), self.rng.randint(1, 12))
            if self.may(0.4):
                self.add("-mosaic_seed", self.rng.randint(-1000, 1000000))
        if self.may(0.1):
            self.add("-water", self.decade(0.1, 100))

    def _pixels(self) -> None:
        how = self.rng.random()
        self.nfast = self.nslow = self.rng.randint(4, 28)
        if self.may(0.07):
            self._image("-mask" if self.may(0.6) else "-img")
            return
        if self.may(0.75):
            self.pixel = float(self.decade(0.02, 3.0))
            self.add("-pixel", f"{self.pixel:g}")
        else:
            self.pixel = 0.1
        if how < 0.6:
            self.add("-detpixels", self.nfast)
        elif how < 0.85:
            self.nslow = self.rng.randint(4, 28)
            names = self.rng.choice((("x", "y"), ("f", "s")))
            self.add(f"-detpixels_{names[0]}", self.nfast)
            self.add(f"-detpixels_{names[1]}", self.nslow)
        elif how < 0.93:
            self.add("-detsize", f"{self.nfast * self.pixel:.6g}")
        else:
            self.add("-detsize_f", f"{(self.nfast + self.rng.random()) * self.pixel:.6g}")
            self.add("-detsize_s", f"{(self.nslow + self.rng.random()) * self.pixel:.6g}")

    def _image(self, option: str) -> None:
        """An SMV file with a header that gives the geometry."""
        self.nslow, self.pixel = self.rng.randint(4, 28), float(self.decade(0.05, 2.0))
        keys = {"HEADER_BYTES": "512", "DIM": "2", "BYTE_ORDER": "little_endian", "TYPE": "unsigned_short"}
        keys |= {"SIZE1": str(self.nfast), "SIZE2": str(self.nslow), "PIXEL_SIZE": f"{self.pixel:g}"}
        possible = {
            "DISTANCE": self.number(50, 300),
            "WAVELENGTH": self.number(0.8, 2.0),
            "BEAM_CENTER_X": f"{self.nslow * self.pixel * self.rng.random():.4g}",
            "BEAM_CENTER_Y": f"{self.nfast * self.pixel * self.rng.random():.4g}",
            "CLOSE_DISTANCE": self.number(50, 300),
            "XDS_ORGX": self.number(1, 20),
            "ORGX": self.number(1, 20),
            "ORGY": self.number(1, 20),
            "PHI": self.number(0, 90),
            "OSC_RANGE": self.number(0.1, 2),
            "TWOTHETA": self.number(-10, 10),
        }
        chosen = [key for key in possible if self.may(0.5)]
        self.rng.shuffle(chosen)
        keys |= {key: possible[key] for key in chosen}
        header = "{\n" + "".join(f"{key}={value};\n" for key, value in keys.items()) + "}\f"
        pixels = bytearray()
        for _ in range(self.nfast * self.nslow):
            pixels += (0 if self.may(0.2) else self.rng.randint(1, 65535)).to_bytes(2, "little")
        name = "mask.img" if option == "-mask" else "header.img"
        self.files[name] = header.encode().ljust(512) + bytes(pixels)
        self.add(option, name)

    def _position(self) -> None:
        if self.may(0.8):
            self.add("-distance" if self.may(0.85) else "-close_distance", self.decade(20, 800))
        if self.may(0.4):
            self.add(self.rng.choice(CONVENTIONS))
        width, height = self.nfast * self.pixel, self.nslow * self.pixel
        how = self.rng.random()
        if how < 0.25:
            self.add("-Xbeam", self.signed(1.2 * width))
            self.add("-Ybeam", self.signed(1.2 * height))
        elif how < 0.33:
            self.add("-ORGX", self.signed(1.2 * self.nfast))
            self.add("-ORGY", self.signed(1.2 * self.nslow))
        elif how < 0.4:
            self.add("-Xclose", self.signed(1.2 * width))
            self.add("-Yclose", self.signed(1.2 * height))
        if self.may(0.1):
            self.add("-pivot", self.rng.choice(("beam", "sample")))
        for axis in "xyz":
            if self.may(0.15):
                self.add(f"-detector_rot{axis}", self.signed(40))
        if self.may(0.15):
            self.add("-twotheta", self.signed(40))
        if self.may(0.04):
            self.add("-twotheta_axis", *self.vector())
        for name in ("fdet_vector", "sdet_vector", "odet_vector", "beam_vector", "polar_vector", "spindle_axis"):
            if self.may(0.03):
                self.add(f"-{name}", *self.vector())
        if self.may(0.03):
            self.add(self.rng.choice(("-pix0_vector", "-pix0_vector_mm")), *self.vector())
        if self.may(0.06):
            self.add("-curved_det")
        if self.may(0.08):
            self.add("-point_pixel")
        if self.may(0.15):
            x, y = self.rng.randrange(self.nfast), self.rng.randrange(self.nslow)
            high = (self.rng.randint(x, self.nfast + 2), self.rng.randint(y, self.nslow + 2))
            limits = [x, high[0], y, high[1]]
            if self.may(0.15):
                limits[self.rng.randrange(4)] = -1
            self.add("-roi", *limits)

    def _sensor(self) -> None:
        if not self.may(0.2):
            return
        if self.may(0.85):
            self.add(
                self.rng.choice(("-detector_abs", "-detector_absorb")),
                "inf" if self.may(0.06) else self.decade(50, 2000),
            )
        if self.may(0.85):
            self.add("-detector_thick", self.decade(20, 2000))
        if self.may(0.6):
            self.add(self.rng.choice(("-detector_thicksteps", "-thicksteps")), self.rng.randint(1, 6))

    def _beam(self) -> None:
        if self.may(0.7):
            self.add(self.rng.choice(("-lambda", "-lambda", "-wave")), self.number(0.6, 6.2))
        elif self.may(0.3):
            self.add("-energy", self.number(5000, 18000))
        how = self.rng.random()
        if how < 0.35:
            self.add("-fluence", self.decade(1e20, 1e31))
        elif how < 0.55:
            self.add("-flux", self.decade(1e9, 1e24))
            if self.may(0.7):
                self.add("-exposure", self.decade(0.01, 10))
        if self.may(0.25):
            self.add("-beamsize", self.decade(1e-4, 1.0))
        if self.may(0.25):
            self.add("-polar", self.number(-1, 1))
        if self.may(0.15):
            self.add("-nopolar")

    def _sources(self) -> None:
        if self.may(0.06):
            self._source_file()
            return
        if self.may(0.15):
            self.add("-dispersion", self.decade(0.05, 10))
        if self.may(0.15):
            self.add("-dispsteps", self.rng.randint(1, 5))
        if self.may(0.15):
            self.add("-divergence", self.decade(0.05, 20))
        for axis in "hv":
            if self.may(0.06):
                self.add(f"-{axis}divrange", self.decade(0.05, 20))
            if self.may(0.06):
                self.add(f"-{axis}divsteps", self.rng.randint(1, 5))
            if self.may(0.04):
                self.add(f"-{axis}divstep", self.decade(0.5, 10))
        if self.may(0.08):
            self.add("-divsteps", self.rng.randint(1, 4))
        if self.may(0.06):
            self.add(self.rng.choice(("-round_div", "-square_div")))

    def _source_file(self) -> None:
        lines = []
        for _ in range(self.rng.randint(1, 5)):
            x, y, z = -1.0, self.rng.gauss(0, 0.01), self.rng.gauss(0, 0.01)
            row = [f"{x:g}", f"{y:.4g}", f"{z:.4g}", f"{self.rng.uniform(0.1, 3):.3g}"]
            row.append(f"{self.rng.uniform(0.8, 2.0):.4g}e-10")
            lines.append(" ".join(row[: self.rng.choice((3, 4, 5, 5, 5))]) + "\n")
        self.files["sources.txt"] = "".join(lines).encode()
        self.add("-sourcefile", "sources.txt")

    def _sampling(self) -> None:
        if self.may(0.35):
            self.add("-phi", self.rng.choice(("0", "0", "-1", self.signed(90))))
        osc = self.may(0.35)
        if osc:
            self.add("-osc", self.decade(0.05, 10))
        if self.may(0.3):
            self.add("-phisteps", self.rng.randint(1, 8))
        if self.may(0.12):
            self.add("-phistep", self.decade(0.02, 2))
        if self.may(0.7):
            self.add("-oversample", self.rng.choice((1, 1, 1, 2, 2, 3, 4)))
        for name in ("thick", "polar", "omega"):
            if self.may(0.06):
                self.add(f"-oversample_{name}")
        if self.may(0.08):
            self.add("-dmin", self.number(1.0, 10.0))

    def _output(self) -> None:
        if self.may(0.5):
            self.add("-nonoise")
        else:
            self.add("-seed", self.rng.randint(-100, 1000000))
            if self.may(0.2):
                self.add("-noisefile", "noisy.img")
        if self.may(0.4):
            self.add("-nopgm")
        elif self.may(0.2):
            self.add("-pgmscale", self.decade(1e-3, 1e3))
        if self.may(0.2):
            self.add("-scale", self.decade(1e-3, 1e4))
        if self.may(0.2):
            self.add(self.rng.choice(("-adc", "-adcoffset")), self.signed(200))
        if self.may(0.3):
            self.add(self.rng.choice(("-floatfile", "-floatimage")), "f.bin")
        if self.may(0.2):
            self.add(self.rng.choice(("-intfile", "-intimage")), "i.img")
        if self.may(0.4):
            self.add("-noprogress")

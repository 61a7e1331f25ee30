"""Random command lines of nonBragg.c, with the files that they name."""

from __future__ import annotations

import random

import numpy as np

from nanobragg.parity.command_line import CommandLine, Unit
from nanobragg.parity.companion_drawer import Drawer


def draw_nonbragg(seed: int, number: int) -> CommandLine:
    """The command line ``number`` of ``seed``."""
    return _NonBragg(random.Random(f"nonbragg {seed} {number}")).draw()


class _NonBragg(Drawer):
    def draw(self) -> CommandLine:
        self.pixel = float(self.rng.choice(("0.1", "0.172", "0.3", "0.5", "0.9", "1", "1.5")))
        self.fast, self.slow = self.rng.randint(4, 44), self.rng.randint(4, 36)
        if self.may(0.18):
            self._image()
        self._profile()
        self._panel()
        self._position()
        self._beam()
        self._sources()
        self._sample()
        self._output()
        if self.may(0.1):
            self._other_words()
        if self.may(0.06):
            self.odd_numbers()
        self.add("-noprogress")
        return self.line()

    # ---- files --------------------------------------------------------------------------------------------

    def _profile(self) -> None:
        rng = self.rng
        count = rng.choice((1, 2, 3, 4, 6, 12, 30, 120))
        low, high = rng.choice((0.0, 0.0, 0.02, 0.1)), rng.uniform(0.15, 0.8)
        x = np.linspace(low, high, count) + (rng.random() < 0.3) * np.array([rng.gauss(0, 0.003) for _ in range(count)])
        f = 3.0 + 2.0 * np.sin(x * rng.uniform(5, 60)) + np.array([rng.gauss(0, 0.3) for _ in range(count)])
        if self.may(0.12):
            f -= rng.uniform(1, 5)
        name, factor = rng.choice((("-stol", 1.0), ("-stol", 1.0), ("-stol", 1.0), ("-4stol", 4.0), ("-Q", 4 * np.pi)))
        x = x * factor
        rows = [[f"{a:.6g}", f"{b:.6g}"] for a, b in zip(x, f, strict=True)]
        if self.may(0.12):
            rng.shuffle(rows)
        elif self.may(0.06):
            rows.reverse()
        elif self.may(0.06):
            i = rng.randrange(len(rows))
            rows[i - 1], rows[i] = rows[i], rows[i - 1]
        if self.may(0.05):
            rows.insert(rng.randrange(len(rows) + 1), list(rng.choice(rows)))
        self.files["table.stol"] = self._text(rows, 0.12)
        if self.may(0.04):
            self.files["other.txt"] = b"0 1\n1 2\n"
            self.add(rng.choice(("-stol", "-4stol", "-Q")), "other.txt")
            self.units[-1], last = (name, "table.stol"), self.units[-1]
            self.units.insert(-1, last)
        else:
            self.add(name, "table.stol")

    def _text(self, rows: list[list[str]], odd: float) -> bytes:
        """Rows as text, with the oddities of files."""
        rng = self.rng
        gap = rng.choice((" ", " ", " ", "\t", ", ", ";", ":", "  ! "))
        end = "\r\n" if self.may(odd / 2) else "\n"
        lines = []
        for row in rows:
            words = list(row)
            if self.may(odd / 8):
                words[-1] = rng.choice(("nan", "4.5x", "1e", "0x3", "", "+2", ".5", "3."))
            if self.may(odd / 4):
                words.append(rng.choice(("0.1", "# sigma", "x y z")))
            lines.append(rng.choice(("", "", "", " ", "\t", ",")) + gap.join(words))
        if self.may(odd):
            lines.insert(0, rng.choice(("# stol F", "sin(theta)/lambda F", "title")))
        if self.may(odd):
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(("", " ", "# more", ",")))
        text = end.join(lines) + (end if not self.may(odd / 2) else "")
        return text.encode()

    def _image(self) -> None:
        rng = self.rng
        self.fast, self.slow = rng.randint(12, 60), rng.randint(12, 50)
        lines = {"DIM": "2", "BYTE_ORDER": rng.choice(("little_endian", "little_endian", "big_endian"))}
        lines |= {"TYPE": "unsigned_short", "SIZE1": str(self.fast), "SIZE2": str(self.slow)}
        width, height = self.pixel * self.fast, self.pixel * self.slow
        optional = {
            "PIXEL_SIZE": f"{self.pixel:g}",
            "DISTANCE": self.number(30, 90),
            "WAVELENGTH": self.number(0.7, 2.0),
            "BEAM_CENTER_X": self.number(0, width),
            "BEAM_CENTER_Y": self.number(0, height),
            "ORGX": self.number(0, self.fast),
            "ORGY": self.number(0, self.slow),
            "XDS_ORGX": self.number(0, self.fast),
            "CLOSE_DISTANCE": self.number(30, 90),
            "PHI": self.number(0, 90),
            "OSC_RANGE": self.number(0, 2),
            "TWOTHETA": self.number(0, 20),
        }
        said = 0.3 if self.may(0.4) else 0.8
        lines |= {key: value + rng.choice(("", "", " mm")) for key, value in optional.items() if self.may(said)}
        pixels = np.array([rng.randint(30, 200) for _ in range(self.fast * self.slow)], np.uint16)
        if self.may(0.2):
            pixels = pixels[: len(pixels) - rng.randint(1, 40)]
        self.files["image.img"] = self.header(lines, rng.choice((512, 512, 1024))) + pixels.tobytes()
        self.add("-img", "image.img")
        if self.may(0.3):
            self.add("-stolout", "back.stol")
        for _ in range(rng.choice((0, 0, 1, 3))):
            self.add("-ignore", rng.choice((str(rng.randint(30, 200)), "100.7", "-1", "65536", "65600")))
        self.from_image = True

    # ---- geometry -----------------------------------------------------------------------------------------

    def _panel(self) -> None:
        rng = self.rng
        if "image.img" in self.files:
            if self.may(0.2):
                self.add("-pixel", f"{self.pixel:g}")
            if self.may(0.12):
                self.add("-detpixels_x", rng.randint(3, self.fast))
        else:
            if self.may(0.92):
                self.add("-pixel", f"{self.pixel:g}")
            else:
                self.pixel = 0.1
            self._size()
        if self.may(0.15):
            corners = (
                sorted(rng.randint(0, self.fast) for _ in range(2)),
                sorted(rng.randint(0, self.slow) for _ in "ab"),
            )
            roi = [*corners[0], *corners[1]]
            if self.may(0.2):
                roi[rng.randrange(4)] = rng.choice((-1, 500))
            self.add("-roi", *roi)
        if self.may(0.25):
            self.add("-oversample", rng.choice((1, 2, 2, 3, 4, 0)))
        for flag, probability in (("-point_pixel", 0.05), ("-curved_det", 0.07), ("-Fmap", 0.07)):
            if self.may(probability):
                self.add(flag)

    def _size(self) -> None:
        rng = self.rng
        how = rng.random()
        if how < 0.35:
            self.add("-detpixels", self.fast)
            self.slow = self.fast
        elif how < 0.75:
            self.add(rng.choice(("-detpixels_x", "-detpixels_f")), self.fast)
            self.add(rng.choice(("-detpixels_y", "-detpixels_s")), self.slow)
        elif how < 0.85:
            self.add("-detsize", f"{self.pixel * self.fast * rng.uniform(0.9, 1.0):.4g}")
            self.slow = self.fast
        else:
            self.add("-detsize_x", f"{self.pixel * self.fast:.4g}")
            self.add("-detsize_y", f"{self.pixel * self.slow * rng.uniform(0.9, 1.0):.4g}")

    def _position(self) -> None:
        rng = self.rng
        size = self.pixel * max(self.fast, self.slow)
        if self.may(0.9):
            self.add("-distance", self.number(0.6 * size, 5 * size))
        if self.may(0.08):
            self.add("-close_distance", self.number(0.6 * size, 5 * size))
        for name, probability, high in (
            ("-Xbeam", 0.3, self.pixel * self.fast),
            ("-Ybeam", 0.3, self.pixel * self.slow),
            ("-Xclose", 0.1, self.pixel * self.fast),
            ("-Yclose", 0.1, self.pixel * self.slow),
            ("-ORGX", 0.1, self.fast),
            ("-ORGY", 0.1, self.slow),
        ):
            if self.may(probability):
                self.add(name, self.number(-0.3 * high, 1.2 * high))
        if self.may(0.12):
            self.add("-pivot", rng.choice(("sample", "beam", "samples", "beam_spot", "neither")))
        for axis in "xyz":
            if self.may(0.15):
                self.add(f"-detector_rot{axis}", self.number(-30, 30))
        if self.may(0.02):
            self.add("-detector_roty", self.number(95, 260))
        if self.may(0.15):
            self.add("-twotheta", self.number(-30, 40))
        if self.may(0.06):
            self.add("-twotheta_axis", *self.near((0, 1, 0)))
        for name, axis in (("-fdet_vector", (0, 0, 1)), ("-sdet_vector", (0, -1, 0)), ("-beam_vector", (1, 0, 0))):
            if self.may(0.07):
                self.add(name, *self.near(axis))
        for name in ("-odet_vector", "-pix0_vector", "-spindle_axis"):
            if self.may(0.03):
                self.add(name, *self.vector())

    # ---- beam ---------------------------------------------------------------------------------------------

    def _beam(self) -> None:
        rng = self.rng
        if self.may(0.4):
            self.add(rng.choice(("-lambda", "-wavelength")), self.number(0.5, 2.5))
        elif self.may(0.3):
            self.add("-energy", self.number(5000, 20000))
        if self.may(0.45):
            self.add("-fluence", self.decade(1e14, 1e19))
        elif self.may(0.7):
            self.add("-flux", self.decade(1e8, 1e13))
        if self.may(0.15):
            self.add("-exposure", rng.choice(("0", "0.1", "2.5")))
        if self.may(0.2):
            self.add("-beamsize", rng.choice(("0.05", "0.02", "0.3", "-1")))
        if self.may(0.3):
            self.add("-polar", rng.choice(("0", "1", "-1", "0.95", "0.5")))
        if self.may(0.1):
            self.add("-nopolar")
        if self.may(0.1):
            self.add("-polar_vector", *self.near((0, 0, 1)))

    def _sources(self) -> None:
        rng = self.rng
        if self.may(0.15):
            self.add("-dispersion", self.number(0.1, 8))
        if self.may(0.12):
            self.add("-dispsteps", rng.randint(0, 4))
        if self.may(0.1):
            self.add("-divergence", self.number(1, 60))
        for axis in "hv":
            if self.may(0.12):
                self.add(f"-{axis}divrange", self.number(1, 60))
            if self.may(0.08):
                self.add(f"-{axis}divstep", self.number(5, 40))
            if self.may(0.1):
                self.add(f"-{axis}divsteps", rng.randint(0, 5))
        if self.may(0.04):
            self.add("-divsteps", rng.randint(1, 3))
        if self.may(0.1):
            self.add(rng.choice(("-round_div", "-square_div")))
        if self.may(0.05):
            self.add("-source_distance", self.number(10, 20000))
        if self.may(0.08):
            rows = []
            for _ in range(rng.randint(1, 4)):
                row = ["-10", *(f"{rng.gauss(0, 0.3):.3g}" for _ in range(2)), self.number(0, 2)]
                row.append(f"{rng.uniform(0.8, 1.3) * 1e-10:.4g}")
                rows.append(row[: rng.choice((1, 2, 3, 4, 5, 5, 5, 5, 5))])
            self.files["sources.txt"] = self._text(rows, 0.05)
            self.add("-sourcefile", "sources.txt")

    def _sample(self) -> None:
        rng = self.rng
        for name, low, high in (
            ("-samplesize", 0.01, 1.0),
            (rng.choice(("-thick", "-thickness", "-sample_x")), 0.05, 30.0),
            (rng.choice(("-width", "-sample_y", "-sample_width")), 0.01, 0.4),
            (rng.choice(("-height", "-sample_z", "-sample_height")), 0.01, 0.4),
            ("-density", 0.0011, 2.0),
            (rng.choice(("-MW", "-molecular_weight")), 10.0, 20000.0),
        ):
            if self.may(0.2):
                self.add(name, self.decade(low, high))
        if self.may(0.06):
            self.add("-molecules", self.decade(1e14, 1e18))

    # ---- output -------------------------------------------------------------------------------------------

    def _output(self) -> None:
        rng = self.rng
        self.add(
            "-seed", rng.choice((str(rng.randint(1, 99999)), "0", str(-rng.randint(1, 99)))) if self.may(0.2) else "7"
        )
        if self.may(0.3):
            self.add("-adc", rng.choice(("0", "12.5", "-5", "40.7", "100")))
        if self.may(0.1):
            self.add("-scale", self.decade(1e-3, 1e3))
        if self.may(0.1):
            self.add("-pgmscale", self.decade(1e-3, 1e2))
        if self.may(0.05):
            self.add("-gain", rng.choice(("2", "0.5", "1.7")))
        for name in ("-phi", "-osc", "-phistep"):
            if self.may(0.1):
                self.add(name, self.number(0, 3))
        if self.may(0.08):
            self.add("-phisteps", rng.randint(-1, 4))
        if self.may(0.08):
            self.add("-nonoise")
        if self.may(0.05):
            self.add("-nopgm")
        for name, file in (
            (rng.choice(("-floatfile", "-floatimage")), "a.bin"),
            (rng.choice(("-intfile", "-intimage")), "b.img"),
            (rng.choice(("-pgmfile", "-pgmimage")), "c.pgm"),
            (rng.choice(("-noisefile", "-noiseimage")), "d.img"),
        ):
            if self.may(0.07):
                self.add(name, file)

    def _other_words(self) -> None:
        """Options of nanoBragg.c, which mean nothing here or something else."""
        others: tuple[Unit, ...] = (
            *(("-hdiv", "20"), ("-dispstep", "3"), ("-N", "5"), ("-cell", "50", "60", "70", "90", "90", "90")),
            *(("-detector_thick", "450"), ("-thicksteps", "2"), ("-misset_seed", "4"), ("-oversample_polar",)),
            *(
                ("-oversample_thick", "3"),
                ("-coherent",),
                ("-noreject",),
                ("-mosaic", "1"),
                ("-adc",),
                ("-detsize_f", "3"),
            ),
        )
        self.units += self.rng.sample(others, self.rng.randint(1, 4))

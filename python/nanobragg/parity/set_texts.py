"""A valid set of an ensemble, and its table, for the fuzzer of files to damage (``specs/parity.md``)."""

SET = """quirks = "none"
progress = false

[beam]
wavelength = 1.0
fluence = 1e24

[crystal]
cell = [50, 60, 70, 90, 95.5, 90]
cells = 5
default_F = 10.0

[detector]
shape = [8, 9]
pixel_size = 0.4
distance = 100.0
beam_x = 1.6
beam_y = 1.7

[ensemble]
shots = 12
seed = 7
shots_per_file = 5
blank = 0.1
crystals = { poisson = 1.5 }

[ensemble.crystal]
misset = { orientations = "uniform" }
cells = { log_normal = [8, 3], least = 3, most = 20 }
mosaic_spread = { choice = [0.0, 0.3], weights = [3, 1] }
default_F = { list = [10.0, 20.0] }

[ensemble.beam]
fluence = { multiply = { uniform = [0.5, 2.0] } }

[ensemble.detector]
distance = { add = { normal = [0, 0.05] } }
beam_x = { table = "shots.csv", column = "x" }

[ensemble.sampling]
phi = { start = 10.0, step = 0.5 }
phi_steps = { range = [1, 3] }

[ensemble.spectrum]
bandwidth = 0.5
spike = 0.1
wavelengths = 8
"""
SET_TABLE = "x,y\n1.5,2\n1.75,3\n"
REFINE = """quirks = "none"
[crystal]
cell = [50, 60, 70, 90, 90, 90]
cells = 3
misset = [10, 20, 30]
default_F = 10
[beam]
wavelength = 1.3
fluence = 1e24
[detector]
shape = [8, 10]
pixel_size = 8
distance = 100
[sampling]
oversample = 1
[refine]
free = ["crystal.misset", "scale"]
common = ["crystal.cell", "detector.distance"]
background = "radial"
search = 0.5
steps = 3
[refine.priors]
detector.distance = 0.5
"crystal.cell" = [50.0, 1]
[refine.bounds]
crystal.cell.orthorhombic.a = [49, 51]
[[refine.shots]]
image = "a.npy"
[[refine.shots]]
image = "b.npy"
crystal.misset = [1, 2.5, 3e1]
beam.fluence = 2e24
"""

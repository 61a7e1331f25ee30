"""A crystal shape that is added to a copy of this repository, as CONTRIBUTING's worked example says: spots whose
profile is a Lorentzian.

``EDITS`` are the example's steps. What comes of them is asked for in a process of its own, which runs this file in the
copy and prints what it found.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

EDITS: tuple[tuple[str, str, str], ...] = (
    (
        "specs/physics.md",
        "| TOPHAT (`-tophat_spots`, `-binary_spots`) | `Na·Nb·Nc` if `fudge·Δ² < 0.3969`, else 0 |\n",
        "| LORENTZ (`-lorentz_spots`) | `Na·Nb·Nc / (1 + fudge·Δ²/0.63)` |\n",
    ),
    (
        "specs/cli.md",
        "|---|---|---|\n",
        "| `-lorentz_spots` | | spots whose profile is a Lorentzian (`physics.md`) |\n",
    ),
    ("python/nanobragg/records/shapes.py", "    GAUSS_INDEX = 4\n", "    LORENTZ = 5\n"),
    ("python/nanobragg/records/shapes.py", '"tophat", "gauss_index"', ', "lorentz"'),
    (
        "python/nanobragg/inputs/options.py",
        '"gaussian spots, nothing between them", sets="crystal.shape", to="gauss"),\n',
        """    option("-lorentz_spots=", _CRYSTAL, "spots with Lorentzian tails", sets="crystal.shape", to="lorentz"),
""",
    ),
    ("cpp/include/nanobragg/enumerations.hpp", "ENTRY(gauss_index, 4)", " ENTRY(lorentz, 5)"),
    (
        "cpp/src/reference/reference.cpp",
        "            out.F_latt = size * (miss_sqr * s.fudge < 0.3969);\n            break;\n",
        "        case Shape::lorentz:\n"
        "            out.F_latt = size / (1.0 + miss_sqr / 0.63 * s.fudge);\n"
        "            break;\n",
    ),
    (
        "cpp/src/physics/physics.hpp",
        "// Whether a comparison holds for any number of a register, or for the only one.\n"
        "NANOBRAGG_FN bool any_of(bool holds) { return holds; }\n",
        """
// 1/(1 + x)^2 of x >= 0, to the last bits.
template <class Real>
NANOBRAGG_FN Real lorentzian_squared(Real x) {
    const Real width = x + (typename NumberOf<Real>::Type)1;
    return (typename NumberOf<Real>::Type)1 / (width * width);
}
""",
    ),
    (
        "cpp/src/physics/lattice.hpp",
        ": filled<Single>(0.0f);\n    }\n};\n",
        """
struct LorentzLattice : ShapeLattice<Shape::lorentz> {
    template <class Real>
    static NANOBRAGG_FN_MEMBER Real squared(const KernelScene& s, Real dh, Real dk, Real dl) {
        return lorentzian_squared(miss_squared(s, dh, dk, dl) * (s.fudge / 0.63));
    }
    template <class Phase>
    static NANOBRAGG_FN_MEMBER auto squared_mixed(const KernelScene& s, Phase ph, Phase pk, Phase pl) {
        return lorentzian_squared(miss_squared(s, turns(ph), turns(pk), turns(pl)) * (float)(s.fudge / 0.63));
    }
};
""",
    ),
    ("cpp/src/physics/lattice.hpp", "using Shapes = TypeList<RoundLattice, ", "LorentzLattice, "),
    (
        "cpp/src/physics/lattice_slopes.hpp",
        "return metric_value(miss, slopes, value, value * (-2.0 / 0.63));\n    }\n};\n",
        """
struct LorentzSlopes {
    using Lattice = LorentzLattice;
    static constexpr Depends depends = Depends::on_metric;

    template <class Real>
    static NANOBRAGG_FN_MEMBER LatticeValue<Real> of(const KernelScene&, const double* shape, const Real miss[3]) {
        Real slopes[3];
        const Real x = metric_slopes(shape, miss, slopes) * (0.5 / 0.63);
        const Real value = lorentzian_squared(x);
        return metric_value(miss, slopes, value, (-2.0 / 0.63) * value / (1.0 + x));
    }
};
""",
    ),
    (
        "cpp/src/derivatives/slopes_mixed.inl",
        "for (Singles& slope : out.by_index) slope = Singles{};\n        return out;\n    }\n};\n",
        """
template <>
struct Mixed<LorentzSlopes> {
    float metric[6];

    NANOBRAGG_FN_MEMBER Mixed(const KernelScene&, const double* shape) {
        for (int i = 0; i < 6; ++i) metric[i] = (float)shape[i];
    }

    static NANOBRAGG_FN_MEMBER double unit() { return 1.0; }
    NANOBRAGG_FN_MEMBER LatticeValue<Singles> of(const KernelScene&, const MixedMiss& miss) const {
        const Singles* all = miss.all;
        Singles slopes[3];
        for (int i = 0; i < 3; ++i) {
            const int next = (i + 1) % 3, last = (i + 2) % 3;
            slopes[i] = (2.0f * metric[i]) * all[i] + (metric[3 + i] * all[next] + metric[3 + last] * all[last]);
        }
        const Singles square = all[0] * slopes[0] + (all[1] * slopes[1] + all[2] * slopes[2]);
        const Singles x = square * (float)(0.5 / 0.63);
        const Singles value = lorentzian_squared(x);
        return metric_value(all, slopes, value, (float)(-2.0 / 0.63) * value / (1.0f + x));
    }
};
""",
    ),
    (
        "cpp/src/plan/term_bounds.cpp",
        "weight = view.fudge * m[axis] / 0.3969 * least;\n                break;\n",
        "            case Shape::lorentz:\n"
        "                weight = view.fudge * m[axis] / 0.63 * least;\n"
        "                break;\n",
    ),
    (
        "cpp/src/cpu/kernel_bounds.inl",
        "return radius < 1.0f ? filled<Singles>(1.0f) : Singles{};\n",
        "        } else if constexpr (Lattice::formula.shape == Shape::lorentz) {\n"
        "            return kRoundedUp / ((radius + 1.0f) * (radius + 1.0f));\n",
    ),
    ("cpp/src/physics/lattice_slopes.hpp", "using ShapesWithSlopes = TypeList<RoundSlopes, ", "LorentzSlopes, "),
    ("CHANGELOG.md", "The first version: everything that nanoBragg.c computes.\n\n", "- `-lorentz_spots`: a shape.\n"),
)
"""(file, a text in it, what is added behind that)."""

MADE = ("python/nanobragg/inputs/experiment.schema.json",)
"""Files that a command makes anew: ``python -m nanobragg.inputs.schema``."""

WORDS = "-cell 50 60 70 80 95 100 -N 5 -default_F 10 -lambda 1 -distance 80 -detpixels 24 -pixel 2 -misset 10 20 30"


def add_to(tree: Path) -> None:
    """Carry out the edits in a copy of the repository. Each text must be there once."""
    for name, behind, added in EDITS:
        path = tree / name
        text = path.read_text("utf-8")
        assert text.count(behind) == 1, f"{name}: found {behind!r} {text.count(behind)} times, expected it once"
        path.write_text(text.replace(behind, behind + added), "utf-8")


# ---- what is asked in the copy ----------------------------------------------------------------------------


def _said_about_it() -> dict[str, Any]:
    """Everything that must know of the shape by itself."""
    from nanobragg import Crystal, Experiment, InputError, parse_words, read_config, resolve, write_config
    from nanobragg.completion.scripts import completion_script
    from nanobragg.inputs import schema
    from nanobragg.inputs.help import help_text
    from nanobragg.program.summary import summary

    run = parse_words(f"{WORDS} -lorentz_spots")
    write_config(run, "run.toml")
    schema.main()
    try:
        resolve(Experiment(crystal=Crystal(cell=(50,), shape="cube")))  # type: ignore[arg-type]
    except InputError as error:
        refused = str(error)
    sys.path.append("docs")
    import tables

    return {
        "toml": Path("run.toml").read_text(),
        "read back": read_config("run.toml").experiment.crystal.shape,
        "schema": json.loads(schema.FILE.read_text())["properties"]["crystal"]["properties"]["shape"]["enum"],
        "refused": refused,
        "help": help_text(),
        "summary": summary(resolve(run.experiment)),
        "completion": {shell: completion_script(shell) for shell in ("bash", "zsh", "fish")},
        "options page": tables.options(),
        "TOML page": tables.toml_keys(),
    }


def _rendered() -> dict[str, Any]:
    """The largest difference from the reference renderer, in units of the bar, and F_latt of a pixel."""
    import numpy as np

    from nanobragg import _core, parse_words, render, resolve, trace_pixel
    from nanobragg.parity.bar import excess
    from nanobragg.rendering.binding import bound

    beyond = {}
    factors = [(*hkl, 100 + sum(hkl)) for hkl in itertools.product(range(-9, 10), repeat=3)]
    np.savetxt("few.hkl", factors, fmt="%d")
    lookups = {"constant": "", "nearest": "-hkl few.hkl -nointerpolate", "tricubic": "-hkl few.hkl -interpolate"}
    for lookup, words in lookups.items():
        scene = resolve(parse_words(f"{WORDS} {words} -lorentz_spots").experiment).scene
        reference = render(scene, renderer="reference")
        beyond[f"{lookup}, another shape"] = excess(
            render(resolve(parse_words(f"{WORDS} {words} -gauss_xtal").experiment).scene), reference
        ).max()
        for precision in ("double", "mixed"):
            device = _core.PlayedRenderer()  # type: ignore[attr-defined]
            device.load(bound(scene), precision)
            images = {"CPU": render(scene, precision=precision), "played GPU": device.render()[0].numpy()}
            for renderer, image in images.items():
                beyond[f"{lookup}, {renderer}, {precision}"] = excess(image, reference, precision).max()
    scene = resolve(parse_words(f"{WORDS} -fudge 0.7 -lorentz_spots").experiment).scene
    one = trace_pixel(scene, 3, 20).evaluations[0]
    miss = (np.array(one.hkl) - np.array(one.hkl0)) @ scene.reciprocal * 5**3
    return {"beyond": beyond, "F_latt": one.F_latt, "formula": 5**3 / (1 + 0.7 * (miss @ miss) / 0.63)}


def _slopes() -> dict[str, Any]:
    """How far derivatives in double are from differences of images, in all but the twentieth of pixels where another
    reflection may have become the nearest, and how far mixed ones are from double; in parts of their norm.
    """
    from dataclasses import replace

    import numpy as np

    from nanobragg import parse_words
    from nanobragg.derivatives import jacobian

    found = parse_words(f"{WORDS} -lorentz_spots").experiment
    assert found.crystal.misset is not None
    first, *rest = found.crystal.misset
    turned = [replace(found, crystal=replace(found.crystal, misset=(first + d, *rest))) for d in (1e-5, -1e-5)]
    up, down = (jacobian(each, [])[0] for each in turned)
    column, mixed = (
        jacobian(found, ["crystal.misset[0]"], precision=precision)[1][0] for precision in ("double", "mixed")
    )
    norm = np.linalg.norm(column)
    off = np.sort(np.abs((up - down) / 2e-5 - column), axis=None)
    return {
        "slopes": np.linalg.norm(off[: len(off) * 19 // 20]) / norm,
        "mixed slopes": np.linalg.norm(mixed - column) / norm,
    }


if __name__ == "__main__":
    print(json.dumps({**_said_about_it(), **_rendered(), **_slopes()}))

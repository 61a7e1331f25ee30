"""From the words of a command line to a :class:`~nanobragg.records.run.Run` (``specs/cli.md``).

Words are scanned as nanoBragg.c scans them: left to right, every key that occurs in a word starting with ``-``, values
not skipped, the last occurrence wins. Options of ours are whole words whose values are skipped.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from nanobragg.errors import InputError
from nanobragg.inputs.c_numbers import integer_overflows, is_number, leading_integer, leading_real
from nanobragg.inputs.draft import Draft
from nanobragg.inputs.options import CHOICES, EARLY_OPTIONS, OPTIONS, Option, all_names, own_option
from nanobragg.records.experiment import Experiment
from nanobragg.records.pivots import convention_of, pivot_of
from nanobragg.records.quirks import QUIRKS, parse_quirks
from nanobragg.records.run import Run

PARSE_QUIRKS = ("twotheta_axis_parse", "misset_seed_parse", "curved_det_needs_word", "pivot_overridden")
_KIND = {"r": "a number", "i": "a whole number", "t": "a word"}
_IN_WORDS = {"µm": "a number (µm)", "x y z": "three numbers (x y z)"}
_HOW_MANY = {2: "two", 3: "three", 4: "four"}


def parse_words(args: str | Sequence[str], quirks: str | None = None) -> Run:
    """The run that a command line (without the program's name) describes.

    Args:
        args: words, or one string that is split as a shell would.
        quirks: the quirks that are kept, whatever ``-quirks`` says.

    Returns:
        The run. Its experiment keeps numbers in the units and with the value that they were typed.

    Raises:
        InputError: for a missing or wrong value; unknown words are warnings (``Run.warnings``).

    """
    words = _split(args)
    own, skipped = _own_words(words)
    base = _base(own)
    if quirks is None:
        quirks = next((values[0] for option, values in reversed(own) if "-quirks" in option.whole), None)
    text = quirks if quirks is not None else ("all" if base is None else base.experiment.quirks)
    kept = parse_quirks(text)
    run = _Scan(words, own, skipped, base, kept).run()
    touched = tuple(
        (name, QUIRKS[name])
        for name in PARSE_QUIRKS
        if name in kept and _touches(name, run, words, own, skipped, base, kept)
    )
    return replace(run, experiment=replace(run.experiment, quirks=text), parse_quirks=touched)


def config_to_write(args: Sequence[str]) -> str | None:
    """The file that ``-write_config`` names, if it is there."""
    return _own_value(args, "-write_config")


def config_to_read(args: Sequence[str]) -> str | None:
    """The file that ``-config`` names, if it is there."""
    return _own_value(args, "-config")


def completion_to_print(args: Sequence[str]) -> str | None:
    """The shell that ``-completion`` names, if it is there."""
    return _own_value(args, "-completion")


def trace_json_to_write(args: Sequence[str]) -> str | None:
    """The file that ``-trace_json`` names, if it is there."""
    return _own_value(args, "-trace_json")


def _own_value(args: Sequence[str], name: str) -> str | None:
    own, _ = _own_words(list(args))
    return next((values[0] for option, values in reversed(own) if name in option.whole), None)


def _split(args: str | Sequence[str]) -> list[str]:
    if not isinstance(args, str):
        return [os.fspath(word) for word in args]
    import shlex

    try:
        return shlex.split(args)
    except ValueError as error:
        raise InputError(f"command line: found {args[:60]!r}, expected balanced quotes ({error})") from error


_OwnWords = list[tuple[Option, list[str]]]


def _own_words(words: Sequence[str]) -> tuple[_OwnWords, frozenset[int]]:
    """Options of ours with their values, and the positions of all these words."""
    found: _OwnWords = []
    positions: set[int] = set()
    at = 0
    while at < len(words):
        option = own_option(words[at])
        if option is None:
            at += 1
            continue
        end = at + 1 + len(option.values)
        if end > len(words):
            raise InputError(_too_few(words[at], option))
        found.append((option, list(words[at + 1 : end])))
        positions.update(range(at, end))
        at = end
    return found, frozenset(positions)


def _base(own: _OwnWords) -> Run | None:
    """The run of the last ``-config``."""
    path = next((values[0] for option, values in reversed(own) if "-config" in option.whole), None)
    if path is None:
        return None
    from nanobragg.inputs.toml import read_config

    return read_config(path)


def _too_few(word: str, option: Option) -> str:
    return f"{word}: found too few words after it, expected {_expected(option)}"


def _expected(option: Option) -> str:
    if len(option.values) > 1:
        kind = "whole numbers" if option.values[0] == "i" else "numbers"
        return f"{_HOW_MANY[len(option.values)]} {kind} ({option.arguments})"
    if "|" in option.arguments:
        choices = [_IN_WORDS.get(choice, choice) for choice in option.arguments.split(" | ")]
        return ", ".join(choices[:-1]) + " or " + choices[-1]
    kind = _KIND[option.values or "r"]
    if option.arguments == "file":
        return "the name of a file"
    return kind if option.arguments in ("n", "x", "F", "K", "") else f"{kind} ({option.arguments})"


def _touches(
    name: str,
    run: Run,
    words: list[str],
    own: _OwnWords,
    skipped: frozenset[int],
    base: Run | None,
    kept: frozenset[str],
) -> bool:
    """Whether the quirk changed what the command line sets."""
    try:
        without = _Scan(words, own, skipped, base, kept - {name}).run()
    except InputError:
        return True
    return _effect(without.experiment, kept) != _effect(run.experiment, kept)


def _effect(experiment: Experiment, kept: frozenset[str]) -> str:
    """What the parse quirks can change, as far as it has an effect."""
    crystal, detector = experiment.crystal, experiment.detector
    convention = convention_of(experiment.beam, crystal, detector)
    pivot = pivot_of(convention, detector, overridden="pivot_overridden" in kept)
    misset = crystal.misset or (0.0, 0.0, 0.0)
    seed = crystal.misset_seed if misset == "random" else None
    return repr((pivot, detector.twotheta or 0.0, detector.curved, misset, seed))


class _Scan:
    """One pass over the words. Actions return how many of the following words are values, ``None`` if not applied."""

    def __init__(
        self, words: list[str], own: _OwnWords, skipped: frozenset[int], base: Run | None, kept: frozenset[str]
    ) -> None:
        self.words, self.own, self.skipped, self.kept = words, own, skipped, kept
        self.draft = Draft(base, kept)
        self.covered = -1
        """Position of the last word that is a value of an option."""
        self.unknown = False
        """The words up to the next option may belong to an unknown one."""
        self.rest_of_word = True

    def run(self) -> Run:
        for option, values in self.own:
            self._own(option, values)
        for at, word in enumerate(self.words):
            if at not in self.skipped and word.startswith("-"):
                self._word(at, EARLY_OPTIONS)
        for at, word in enumerate(self.words):
            if at in self.skipped:
                self.unknown = False
            elif not word.startswith("-"):
                self._stray(at)
            elif not self._word(at, OPTIONS) and not any(option.matches(word) for option in EARLY_OPTIONS):
                self._unknown(at)
            else:
                self.unknown = False
        return self.draft.run()

    def _word(self, at: int, options: Sequence[Option]) -> bool:
        """Carry out every option that the word contains; whether there is any."""
        word, known = self.words[at], False
        for option in options:
            if option.matches(word) is None:
                continue
            known = True
            self.rest_of_word = not option.ends_scan
            action: Callable[[Option, int], int | None] = getattr(self, f"_{option.action}")
            values = action(option, at)
            if values is not None:
                self.covered = max(self.covered, at + values)
                self._frame(option)
            if not self.rest_of_word:
                break
        return known

    def _frame(self, option: Option) -> None:
        if option.convention is not None:
            self.draft.select_convention(option.convention, option.pivot)
        elif option.pivot is not None:
            self.draft.imply_pivot(option.pivot)

    # ---- words that are no options ------------------------------------------------------------------------

    def _stray(self, at: int) -> None:
        if at > self.covered and not self.unknown:
            self.draft.warn(f"the word {self.words[at]!r} belongs to no option and is ignored")

    def _unknown(self, at: int) -> None:
        word = self.words[at]
        if at <= self.covered:
            return
        if is_number(word):
            self._stray(at)
            return
        import difflib

        names = {name.lower(): name for name in reversed(all_names())}  # of equals the first
        near = difflib.get_close_matches(word.lower(), names, 1, 0.5)
        hint = f"; did you mean {names[near[0]]}?" if near else ""
        self.draft.warn(f"unknown option {word} is ignored{hint}")
        self.unknown = True

    # ---- values -------------------------------------------------------------------------------------------

    def _need(self, option: Option, at: int, count: int) -> None:
        if at + count >= len(self.words):
            raise InputError(_too_few(self.words[at], option))

    def _wrong(self, option: Option, at: int, value: str) -> InputError:
        return InputError(f"{self.words[at]}: found {value!r}, expected {_expected(option)}")

    def _real(self, option: Option, at: int, offset: int = 1) -> float:
        value = self.words[at + offset]
        read = leading_real(value)
        if read is None:
            raise self._wrong(option, at, value)
        if not math.isfinite(read[0]):
            raise InputError(f"{self.words[at]}: found {value!r}, expected a finite number")
        if read[1].strip():
            self.draft.warn(f"{self.words[at]}: found {value!r}, used as {read[0]:g}")
        return read[0]

    def _integer(self, option: Option, at: int, offset: int = 1) -> int:
        value = self.words[at + offset]
        read = leading_integer(value)
        if read is None:
            raise self._wrong(option, at, value)
        if read[1].strip() or integer_overflows(value):
            self.draft.warn(f"{self.words[at]}: found {value!r}, used as {read[0]}")
        return read[0]

    def _value(self, option: Option, at: int, offset: int = 1) -> float | int | str:
        kind = option.values[offset - 1]
        if kind == "r":
            return self._real(option, at, offset)
        return self._integer(option, at, offset) if kind == "i" else self.words[at + offset]

    # ---- actions ------------------------------------------------------------------------------------------

    def _set_values(self, option: Option, at: int) -> int:
        self._need(option, at, 1)
        value = self._value(option, at)
        for target in option.sets:
            self.draft.set(target, value)
        return 1

    def _set_constant(self, option: Option, at: int) -> int:
        for target in option.sets:
            self.draft.set(target, option.to)
        return 0

    def _ignore(self, option: Option, at: int) -> int:
        if option.values:
            self._need(option, at, 1)
            self._value(option, at)
        return len(option.values)

    def _check_readable(self, option: Option, at: int) -> int:
        self._need(option, at, 1)
        name = self.words[at + 1]
        try:
            with open(name, "rb") as file:  # not pathlib: slow to import
                file.read(1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"{self.words[at]}: found {name!r} ({reason}), expected a readable file") from error
        return 1

    def _set_vector(self, option: Option, at: int) -> int:
        self._need(option, at, 3)
        vector = tuple(self._real(option, at, offset) for offset in (1, 2, 3))
        if "-pix0_vector_mm" in self.words[at]:
            vector = tuple(x / 1000.0 for x in vector)
        self.draft.set(option.sets[0], vector)
        return 3

    def _set_cell(self, option: Option, at: int) -> int:
        self._need(option, at, 1)
        count = 0
        for value in self.words[at + 1 : at + 7]:
            if value.startswith("-"):
                break
            count += 1
            self.draft.set_cell(count - 1, self._real(option, at, count))
        if not self.draft.has_cell:
            raise self._wrong(option, at, self.words[at + 1])
        return count

    def _set_misset(self, option: Option, at: int) -> int | None:
        by_seed = "-misset_seed" in self.words[at]
        if by_seed and "misset_seed_parse" not in self.kept:
            return None
        if not by_seed:
            self._need(option, at, 1)
        following = self.words[at + 1 : at + 4]
        if following and "rand" in following[0]:
            self.draft.set("crystal.misset", "random")
            self.rest_of_word = False
            return 1
        if by_seed:
            if len(following) < 3:
                return None
            read = [leading_real(value) for value in following]
            self.draft.set("crystal.misset", tuple(0.0 if number is None else number[0] for number in read))
            return 1
        if leading_real(following[0]) is None:
            raise self._wrong(option, at, following[0])
        self._need(option, at, 3)
        self.draft.set("crystal.misset", tuple(self._real(option, at, offset) for offset in (1, 2, 3)))
        return 3

    def _set_pivot(self, option: Option, at: int) -> int:
        self._need(option, at, 1)
        value = self.words[at + 1]
        pivot = "beam" if "beam" in value else "sample" if "sample" in value else None
        if pivot is None:
            raise self._wrong(option, at, value)
        self.draft.say_pivot(pivot)
        return 1

    def _set_absorption(self, option: Option, at: int) -> int:
        self._need(option, at, 1)
        depth = float("inf") if "inf" in self.words[at + 1] else self._real(option, at)
        if "inf" in self.words[at + 1] or depth == 0.0:
            self.draft.set("detector.attenuation_depth", float("inf"))
            self.draft.set("detector.thickness", 0.0)
        else:
            self.draft.set("detector.attenuation_depth", depth)
        return 1

    def _set_twotheta(self, option: Option, at: int) -> int | None:
        if "-twotheta_axis" in self.words[at] and "twotheta_axis_parse" not in self.kept:
            return None
        self._need(option, at, 1)
        self.draft.set("detector.twotheta", self._real(option, at))
        return 1

    def _set_curved(self, option: Option, at: int) -> int | None:
        last = at + 1 >= len(self.words)
        if last and "curved_det_needs_word" in self.kept:
            return None
        self.draft.set("detector.curved", True)
        # Command lines give it a word that means nothing, as the original needs one.
        return 0 if last or self.words[at + 1].startswith("-") else 1

    def _set_polarization(self, option: Option, at: int) -> int:
        self.draft.set("beam.polarization_correction", True)
        return self._set_values(option, at)

    def _set_roi(self, option: Option, at: int) -> int:
        self._need(option, at, 4)
        self.draft.set("detector.roi", tuple(self._integer(option, at, offset) for offset in (1, 2, 3, 4)))
        return 4

    def _set_wavelength(self, option: Option, at: int) -> int:
        self._need(option, at, 1)
        self.draft.set("beam.wavelength", self._real(option, at))
        self.draft.set("beam.energy", None)
        return 1

    def _set_energy(self, option: Option, at: int) -> int:
        self._need(option, at, 1)
        self.draft.set("beam.energy", self._real(option, at))
        self.draft.set("beam.wavelength", None)
        return 1

    def _set_dmin(self, option: Option, at: int) -> int:
        # Scripts in Python are known to print an unset limit like this.
        if self.words[at + 1 : at + 2] == ["None"]:
            self.draft.set("sampling.dmin", 0.0)
            self.draft.warn(f"{self.words[at]}: found 'None', used as 0 (no limit)")
            return 1
        return self._set_values(option, at)

    def _set_pgm(self, option: Option, at: int) -> int:
        self.draft.set("write.pgm", True)
        return self._set_values(option, at)

    def _set_noise(self, option: Option, at: int) -> int:
        self.draft.set("write.noise", True)
        return self._set_values(option, at)

    def _set_printout_pixel(self, option: Option, at: int) -> int:
        self._need(option, at, 2)
        fast, slow = self._integer(option, at, 1), self._integer(option, at, 2)
        self.draft.set("run.printout_pixel", None if fast < 0 else (fast, slow))
        return 2

    # ---- options of ours ----------------------------------------------------------------------------------

    def _own(self, option: Option, values: list[str]) -> None:
        name = option.whole[0]
        if option.action == "own_choice":
            if values[0] not in CHOICES[name]:
                raise InputError(f"{name}: found {values[0]!r}, expected {' or '.join(CHOICES[name])}")
            self.draft.set(option.sets[0], values[0])
        elif option.action == "own_text":
            if not values[0] or "\0" in values[0]:
                raise InputError(f"{name}: found {values[0]!r}, expected {option.arguments}")
            self.draft.set(option.sets[0], values[0])
        elif option.action == "own_flag":
            self.draft.set(option.sets[0], True)
        elif option.action == "own_rings":
            self._own_rings(values[0])
        elif option.action in ("own_real", "own_positive"):
            self.draft.set(option.sets[0], self._exact_real(option, values[0]))
        elif option.action == "own_device":
            self._own_device(values[0])
        elif option.action == "own_threads":
            self.draft.set("run.threads", self._count(option, values)[0])
        elif option.action == "own_trace_pixel":
            slow, fast = self._count(option, values)
            self.draft.set("run.trace_pixel", (slow, fast))

    @staticmethod
    def _exact_real(option: Option, value: str) -> float:
        """A finite number, right to the last character, of 0 or more, or above 0."""
        read = leading_real(value)
        positive = option.action == "own_positive"
        if read is None or read[1] or not 0.0 <= read[0] < float("inf") or (positive and read[0] == 0.0):
            least = "above 0" if positive else "of 0 or more"
            raise InputError(f"{option.whole[0]}: found {value!r}, expected a number {least} ({option.arguments})")
        return read[0]

    @staticmethod
    def _count(option: Option, values: list[str]) -> list[int]:
        for value in values:
            if not (value.isascii() and value.isdigit() and len(value) < 10):
                raise InputError(f"{option.whole[0]}: found {value!r}, expected a whole number, 0 or more")
        return [int(value) for value in values]

    def _own_rings(self, value: str) -> None:
        parts = [leading_real(part) for part in value.split(",")]
        if value != "auto" and not all(p is not None and not p[1] and 0.0 < p[0] < float("inf") for p in parts):
            raise InputError(f"-png_rings: found {value!r}, expected auto or resolutions in Å separated by commas")
        self.draft.set("output.png_rings", value)

    def _own_device(self, value: str) -> None:
        from nanobragg.rendering.devices import check_device

        self.draft.set("run.device", check_device(value, "-device"))

"""Errors that are the user's to mend."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input: one sentence that names the option or file, what was found and what was expected.

    The command line prints it and exits with status 9. What a damaged file has in place of a word is shortened.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(" ".join(_shortened(word) for word in str(sentence).split(" ")))


class DeviceError(InputError):
    """A device that is not there or cannot do the work: no GPU, an old driver, too little memory on it."""


def _shortened(word: str) -> str:
    return word if len(word) <= 300 else f"{word[:140]}...{word[-140:]}"

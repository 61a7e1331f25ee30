"""Errors that are the user's to mend."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input: one sentence that names the option or file, what was found and what was expected.

    The command line prints it and exits with status 9.
    """


class DeviceError(InputError):
    """A device that is not there or cannot do the work: no GPU, an old driver, too little memory on it."""

"""What other libraries say of a file, as part of a sentence of ours."""

from __future__ import annotations


def reason(error: Exception) -> str:
    """The exception's message on one line, not too long."""
    if isinstance(error, UnicodeDecodeError):
        return "bytes that are no text"
    return " ".join(str(error).split())[:120] or type(error).__name__

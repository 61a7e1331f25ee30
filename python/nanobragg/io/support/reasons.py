"""What other libraries say of a file, as part of a sentence of ours."""

from __future__ import annotations


def reason(error: Exception, temporary: str = "") -> str:
    """The exception's message on one line, not too long, without the name of a temporary file."""
    if isinstance(error, UnicodeDecodeError):
        return "bytes that are no text"
    text = str(error).replace(f": {temporary}", "") if temporary else str(error)
    return " ".join(text.split())[:120] or type(error).__name__

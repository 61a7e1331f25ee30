"""Where a detector is and what the beam was, as other programs' files say it."""

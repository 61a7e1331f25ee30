"""What a detector makes of photons."""

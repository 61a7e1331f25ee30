"""Small text lists: matrices and sources."""

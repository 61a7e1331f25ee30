"""What all files need: whole or not at all, in the background, with optional libraries."""

"""The command: one run from words to files, and what it prints."""

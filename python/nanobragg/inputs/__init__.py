"""What a user says: words of a command line and TOML files, to a Run."""

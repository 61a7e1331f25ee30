"""Completion of the command line in shells: a table of what each option takes, and a script for each shell."""

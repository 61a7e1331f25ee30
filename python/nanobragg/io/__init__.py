"""Files: one folder a subject, one module a format. What is in them, not what it means for a run."""

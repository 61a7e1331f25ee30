"""Structure factors: lists, reflection files and atomic models."""

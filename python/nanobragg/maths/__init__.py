"""Vectors, lattices and projections: formulas that know no file and no option."""

"""Many images of one experiment whose fields are drawn from distributions (``specs/ensembles.md``)."""

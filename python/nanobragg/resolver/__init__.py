"""From an :class:`~nanobragg.Experiment` to a :class:`~nanobragg.Scene`: conventions, pivots, cells, step counts,
quirks. Pure functions of the experiment and of the files that it names; everything below knows SI units only.
"""

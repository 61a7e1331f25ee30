"""Workers of Dask's schedulers: of one that is running, or of one of our own with processes of this machine."""

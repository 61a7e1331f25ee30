"""From a Scene to an image, on the CPU or a GPU, and the trace of one pixel."""

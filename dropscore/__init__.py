"""dropscore: drop a file, get it scored on GPUs."""

__version__ = "0.1.0"

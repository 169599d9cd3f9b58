"""Measurements of speed. Each script times both sides of a ratio in one run, so its figure holds on any machine."""

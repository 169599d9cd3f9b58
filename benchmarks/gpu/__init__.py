"""Measurements that need a CUDA device; each says so and ends where there is none."""

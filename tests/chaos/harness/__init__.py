"""Chaos: whole runs in a whole local cloud, harmed by a seeded schedule, and what must be true of them all the same."""

"""What crosses a process wall: frozen, strict models, their codec, and the names and paths all sides share.

Imports nothing else of ours, so every other room may import it.
"""

"""Request bodies of the Batch data plane: what the emulator understands, checked; what it only keeps, opaque."""

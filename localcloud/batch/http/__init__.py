"""The Batch data plane over HTTP: one handler for each operation, over the engine."""

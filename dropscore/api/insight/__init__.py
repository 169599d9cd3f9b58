"""What the API tells of the inside of a run: its shards, items, logs, workers and models, read at most once a second
however many ask.
"""

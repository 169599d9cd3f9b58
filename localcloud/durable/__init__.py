"""The durable backend of the local cloud: a task hub in memory whose runs survive the death of the process."""

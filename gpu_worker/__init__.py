"""The Batch image: a resident process for each device that leases shards, scores them and writes verdicts.

__main__        starts it: allocator, logs, cloud, torch in the background
worker          the loop: lease, start, leave
lanes, leases   which messages to take, and how they stay ours
runs            what a shard belongs to: the run's admission, inputs, workload; whether it was cancelled
pipeline        source -> lane -> sink, overlapped across shards; `board` is where they meet
engine          the device: batches, precision, memory
probe, profiles how fast which settings are, found once and then obeyed by all
models          loaded models under a byte budget
verdicts        part, verdict, message: in this order
"""

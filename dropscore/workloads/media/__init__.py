"""Video and picture files, in and out: opened safely, probed, cut into ranges, decoded, encoded, joined.

Every workload on frames or pictures uses it. Knows no cloud, no model and no workload.
"""

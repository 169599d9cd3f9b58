"""The Container Instances image: plan a run, stitch its parts. No torch."""

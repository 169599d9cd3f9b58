"""Policies of all kinds, with timings that a test of virtual time gets through."""

from hypothesis import strategies as st

from dropscore.contracts.request import RunPolicy

POLICIES = st.builds(
    RunPolicy,
    poll_first_s=st.floats(0.01, 2.0),
    poll_growth=st.floats(1.0, 10.0),
    poll_most_s=st.floats(0.05, 60.0),
    rounds_per_generation=st.integers(1, 50),
    container_attempts=st.integers(1, 10),
    container_deadline_s=st.floats(0.5, 7200.0),
    lease_s=st.floats(1.0, 600.0),
    stall_s=st.floats(0.5, 600.0),
    stall_limit=st.integers(1, 40),
    deadline_s=st.floats(1.0, 5000.0),
    tolerate_items=st.none() | st.integers(0, 1000),
    tolerate_percent=st.floats(0.0, 100.0),
)

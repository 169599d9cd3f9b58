"""A workload of a user's own: its items are the lines of a file, and some of them misbehave.

It is found like any workload that is installed beside dropscore: by the entry point in the folder beside this one.
The score of an item is the SHA-256 of its bytes and of the salt that stands for a model, so that every result can be
checked to the bit. What its processes did is written into a journal, outside of the product.
"""

from dropscore.workloads.base import WorkloadDefinition

WORKLOAD = WorkloadDefinition(
    name="chaos_lines",
    title="Lines that misbehave",
    options="chaos_lines.options:LinesOptions",
    planner="chaos_lines.plan:plan",
    scoring="chaos_lines.score:SCORING",
    stitcher="chaos_lines.stitch:stitch",
    narrow="chaos_lines.plan:narrow",
    input_kinds=(".lines",),
)

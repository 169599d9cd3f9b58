"""The language of Azure Batch autoscale formulas.

formula   from text to targets: `compile_formula(text)`, then `evaluate` as often as wanted
syntax    tokens and the tree
parser    from tokens to the tree
values    types and operators
functions `avg`, `max`, `percentile`, ...
samples   what `$PendingTasks` and the like were at each sampling
"""

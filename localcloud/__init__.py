"""One machine as the whole cloud: storage, durable backend, Functions host, Batch and Container Instances.

`python -m localcloud up` starts it. The product never imports this package; it meets it through endpoints and
credentials alone. This package imports nothing of the product but `dropscore.contracts.names`.
"""

"""Bad weather on the way to the services: requests fail by a seeded schedule, under the real Azure clients.

    DROPSCORE_FAULTS="seed=7,rate=0.2,kinds=503+reset+lost" python -m localcloud up

The variable reaches every Python process of a local cloud: the host (its own polling too), workers, containers,
provisioning. The product knows nothing of it: each process puts it in place when its interpreter starts
(`onstart/sitecustomize.py`), beneath the HTTP library that Azure's clients share. `spec` tells what can be asked for.
"""

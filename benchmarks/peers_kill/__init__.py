"""The same items under the same kills, scored by Celery, by Dramatiq and by this product, in one run.

    python -m benchmarks.peers_kill [--items 200 --kills 30 --seeds 1,2]

A killed worker ends by SIGKILL with everything it started. The peers' workers are started again at once by this
script, as a service manager would; the product looks after its own. Needs `redis-server` on the PATH (Debian:
`apt-get install redis-server`) and a package index: the peers are installed into a virtual environment of their own,
`.local/peers`. Where one of these is missing, it says so and ends.
"""

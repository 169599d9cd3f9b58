"""`python -m cpu_worker`: see `cpu_worker.main`."""

import sys

from cpu_worker.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m gpu_worker`: see `gpu_worker.main`."""

import logging
import os

from gpu_worker.main import main

if __name__ == "__main__":
    code = main(os.environ)
    logging.shutdown()
    # Not sys.exit: a thread that hangs in a device's driver would keep the process, and its node, for ever.
    os._exit(code)

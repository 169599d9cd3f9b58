"""Run by Python before anything else where this folder is on its path: puts the process under the weather."""

import os

if "DROPSCORE_FAULTS" in os.environ:
    from localcloud.weather.install import install

    install(os.environ["DROPSCORE_FAULTS"])

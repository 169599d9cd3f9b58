"""The way in."""

import sys


def main() -> None:
    """Run the command line of this process, and exit with its code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from dropscore import __version__

        print(f"dropscore {__version__}")  # before any console exists
        return
    from dropscore.cli.upkeep import app

    app(prog_name="dropscore")

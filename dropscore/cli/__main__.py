"""`python -m dropscore.cli`: the same as the command `dropscore`."""

from dropscore.cli.main import main

if __name__ == "__main__":
    main()

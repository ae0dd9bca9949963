"""`python -m gammapo`, which launchers and notebooks ask for, is the command `gammapo`."""

from gammapo.cli.app import main

if __name__ == "__main__":
    main()

"""`python -m edgefashion` is the command line."""

from edgefashion.cli import main

if __name__ == "__main__":
    main()

"""`python -m kinesics`: the command `kinesics`."""

from kinesics.cli import main

if __name__ == "__main__":
    main()

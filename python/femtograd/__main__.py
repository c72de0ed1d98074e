"""The command line: `femtograd`, or `python -m femtograd`."""

import sys

from femtograd._femtograd import _main


def main() -> int:
    """Runs the command line with this process's arguments, and gives the exit code."""
    name = sys.argv[0]
    if name.endswith("__main__.py"):
        name = "python -m femtograd"
    return _main([name, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())

"""`python -m definable` is the same as `definable`."""

import sys

from definable.cli import main

if __name__ == "__main__":
    sys.exit(main())

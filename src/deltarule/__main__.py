"""``python -m deltarule`` is the ``deltarule`` command."""

import sys

from deltarule.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""``python -m sharewise`` is the command ``sharewise``."""

import sys

from sharewise.cli import main

if __name__ == "__main__":
    sys.exit(main())

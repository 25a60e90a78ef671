"""Entry point of `python -m outlay`, which is `outlay`."""

import sys

from outlay.cli.parser import main

sys.exit(main())

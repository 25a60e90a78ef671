"""`python -m outlay` is `outlay`."""

import sys

from outlay.cli.parser import main

sys.exit(main())

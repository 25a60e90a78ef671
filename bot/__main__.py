"""`python -m bot` is `outlay`."""

import sys

from bot.cli import main

sys.exit(main())

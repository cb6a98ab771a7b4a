"""``python -m spikeloom.cli``."""

import sys

from . import main

sys.exit(main())

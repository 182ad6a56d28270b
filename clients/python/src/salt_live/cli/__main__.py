"""``python -m salt_live.cli``."""

import sys

from salt_live.cli.main import main

sys.exit(main())

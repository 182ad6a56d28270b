"""On which event loop the tests' engines serve: asyncio's, or with WITH_UVLOOP=1 uvloop's (``make test-uvloop``)."""

from __future__ import annotations

import os

UVLOOP = os.environ.get("WITH_UVLOOP") == "1"

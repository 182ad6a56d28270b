"""The schemas of this checkout, read and compiled once for each process that runs tests."""

from __future__ import annotations

from pathlib import Path

from websocket_api.contract.schemas import Schemas

SCHEMAS = Schemas(Path(__file__).parents[2] / "schemas")

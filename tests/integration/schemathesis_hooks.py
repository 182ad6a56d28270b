"""Hooks for the program schemathesis (test_schemathesis.py)."""

from __future__ import annotations

from typing import Any

import schemathesis

MAX_LOWS = 5  # of a request: a thousand, as the document allows, run one after the other for minutes


@schemathesis.hook
def before_call(_context: Any, case: Any, **_arguments: Any) -> None:
    """Cut long lists of commands."""
    if isinstance(case.body, list):
        case.body = case.body[:MAX_LOWS]

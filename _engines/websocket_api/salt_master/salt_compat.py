"""Plain data out of Salt's own containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import salt.version

#: The release line, 3007 or 3008: what differs between them is decided by this, at the place where it differs.
SALT_LINE: int = int(salt.version.__version_info__[0])


def plain(value: Any) -> Any:
    """A copy of ``value`` made of dict, list, str, bytes, int, float, bool and None only.

    Salt 3008's opts are dict and list *subclasses* that guard against changes: they are slow, no JSON encoder that
    asks ``type(x) is dict`` takes them, and they keep the whole configuration alive. Anything else becomes its ``str``.
    """
    if isinstance(value, Mapping):
        return {key if isinstance(key, (str, bytes, int)) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    return str(value)

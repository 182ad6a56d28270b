"""Salt's release line, and plain data from Salt's containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import salt.version

SALT_VERSION: str = str(salt.version.__version__)
#: The release line, 3007 or 3008. Code that must differ between the lines compares this.
SALT_LINE: int = int(salt.version.__version_info__[0])


def plain(value: Any) -> Any:
    """Return a copy of ``value`` that consists of dict, list, str, bytes, int, float, bool and None only.

    Salt 3008's opts are dict and list *subclasses* that forbid changes. They are slow, they keep the whole
    configuration alive, and JSON encoders that check ``type(x) is dict`` refuse them. Other types become their ``str``.
    """
    if isinstance(value, Mapping):
        return {key if isinstance(key, (str, bytes, int)) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    return str(value)

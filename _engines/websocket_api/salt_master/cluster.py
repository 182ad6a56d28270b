"""What Salt's configuration says of a cluster of masters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_member(opts: Mapping[str, Any]) -> bool:
    """Return whether this master is a member of a cluster, whose masters forward their events to one another."""
    return bool(opts.get("cluster_id"))


def cluster_id(opts: Mapping[str, Any]) -> str | None:
    """Return the id of this master's cluster, or None."""
    return str(opts["cluster_id"]) if is_member(opts) else None


def shares_cache(opts: Mapping[str, Any]) -> bool:
    """Return whether other masters use the same cache directory, as a cluster does unless its masters are isolated."""
    return is_member(opts) and not opts.get("cluster_isolated_filesystem")


def presence_seconds(opts: Mapping[str, Any]) -> float | None:
    """Return the seconds between two lists of connected minions.

    A master with the transport zeromq sends them regularly; with tcp it sends one when a minion connects or leaves.
    """
    return float(opts.get("loop_interval") or 60) if opts.get("transport", "zeromq") == "zeromq" else None

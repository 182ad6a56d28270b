"""The filter ``master`` of requests, where there is more than one master."""

from __future__ import annotations

from ..errors import ApiError
from .call import Call

ALL_MASTERS = "belong to all masters of the cluster: leave out master"


def masters_wanted(call: Call) -> frozenset[str]:
    """Return the masters whose events or jobs a client wants; empty for all.

    Events, jobs and minions of a single master do not have its id, so its id then means all.
    """
    return _wanted(call, alone=call.services.hub.master is None)


def masters_of_batches(call: Call) -> frozenset[str]:
    """Return the masters whose batches a client wants; empty for all."""
    return _wanted(call, alone=call.services.batches.master is None)


def masters_of_minions(call: Call) -> frozenset[str]:
    """Return the masters whose minions a client wants; empty for all.

    :raises ApiError: bad_message in a cluster, whose masters have the same keys
    """
    wanted = masters_wanted(call)
    if wanted and call.services.minions.clustered:
        raise ApiError("bad_message", f"minions {ALL_MASTERS}", [{"path": "/master", "message": ALL_MASTERS}])
    return wanted


def _wanted(call: Call, *, alone: bool) -> frozenset[str]:
    """Return the masters that a client names; empty for all.

    :param alone: whether nothing names a master, because there is only one
    """
    named = call.get("master")
    if named is None:
        return frozenset()
    wanted = frozenset([named] if isinstance(named, str) else named)
    return frozenset() if alone and call.services.about.id in wanted else wanted

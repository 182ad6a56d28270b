"""What an engine of another version lacks of what this client uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from salt_live.errors import ApiError, SaltLiveError
from salt_live.version import __version__

OPTIONAL = frozenset({"bundle", "short_targets"})
"""Fields of ``subscribe`` that only save work: an engine that does not know them is asked without."""


def missing(message: Mapping[str, Any], description: Mapping[str, Any]) -> list[str]:
    """Return what a message uses and the engine does not know: its operation, its kind of subscription, or fields.

    :param description: the result of ``describe``
    """
    kind = message["type"]
    schema = description["operations"].get(kind)
    if schema is None:
        return [f"the operation {kind}"]
    wanted = message.get("subscription")
    if kind == "subscribe" and wanted not in (*description["subscriptions"], *_constants(schema)):
        return [f"the subscription {wanted}"]
    return [f"the field {name} of {kind}" for name in message if name not in schema["properties"]]


async def explained(
    error: ApiError, message: Mapping[str, Any], describe: Callable[[], Awaitable[Mapping[str, Any]]]
) -> ApiError:
    """Return the error of a refused message, in words that say so if the engine does not know the message.

    :param describe: requests the description of the engine
    """
    if message["type"] == "describe":
        return error
    try:
        description = await describe()
    except SaltLiveError:
        return error
    lacking = " and ".join(missing(message, description))
    if not lacking:
        return error
    version = description["version"]
    return type(error)(
        f"the engine has version {version}, this client {__version__}: it lacks {lacking}; update the engine",
        error.details,
    )


def _constants(schema: Mapping[str, Any]) -> list[str]:
    """Return the kinds of subscription that the schema names, synonyms too."""
    return list(schema["properties"].get("subscription", {}).get("enum", ()))

"""Runners and wheel functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class _Client(Protocol):
    async def request(self, type: str, /, **fields: Any) -> Any: ...
    def follow(self, jid: str, *, timeout: float | None = None) -> Any: ...


class MasterFunctions:
    """``client.runner`` and ``client.wheel``: functions that run on the master.

    :param kind: ``runner`` or ``wheel``
    """

    def __init__(self, client: _Client, kind: str) -> None:
        self._client = client
        self._kind = kind

    async def cmd(
        self,
        fun: str,
        arg: Sequence[Any] | None = None,
        pub_data: Mapping[str, Any] | None = None,
        kwarg: Mapping[str, Any] | None = None,
        print_event: bool = True,
        full_return: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """Run a function, wait until it has ended, and return its return.

        It is followed as a job, so that a lost connection does not lose the return.

        :param pub_data: ignored: the engine knows the user
        :param print_event: ignored: nothing is printed
        :param full_return: return an object with ``jid``, ``return`` and ``success``
        :param timeout: seconds to wait since the last news; by default until it has ended
        :raises TimeoutError: it did not end in time; it continues on the master
        """
        del pub_data, print_event
        started = await self.cmd_async(fun, arg, kwarg)
        async for progress in self._client.follow(started["jid"], timeout=timeout):
            if progress.ended:
                job = progress.job
                if not full_return:
                    return job.get("return")
                return {"jid": started["jid"], "return": job.get("return"), "success": job.get("success")}
        raise TimeoutError(f"{fun} did not end in time; it continues as job {started['jid']}")

    async def cmd_async(
        self, fun: str, arg: Sequence[Any] | None = None, kwarg: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Start a function and return ``{"jid": ..., "tag": ...}``."""
        fields: dict[str, Any] = {"fun": fun, "arg": list(arg or ()), "kwarg": dict(kwarg or {})}
        started: dict[str, Any] = await self._client.request(self._kind, **fields)
        return started

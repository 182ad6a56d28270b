"""What a request has started, so that its error always says if the command may run.

Without an entry here the request certainly started nothing. It may have started something if it was sent to the master
and the master's answer did not arrive. It is sent only once, because the master may run the command already.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import ApiError, NotSent
from ..jids import jid_at


class Effect:
    """What one request has started."""

    def __init__(self) -> None:
        self._made: dict[str, Any] | None = None
        """The job or batch that it has started, as ``details`` of an error name it."""
        self._since: str | None = None
        """While it is unknown whether the master runs it: the jid of a moment before it was sent."""

    @contextmanager
    def sending(self, now: float) -> Iterator[None]:
        """Note that the request is sent within this context. :meth:`started` notes the answer.

        :param now: the time, in seconds since 1970
        """
        self._since = jid_at(now)
        try:
            yield
        except NotSent:
            self._since = None
            raise
        except ApiError as error:
            if not error.may_run:
                self._since = None
            raise

    def started(self, jid: str) -> None:
        """Note the job that the request has started."""
        self._made, self._since = {"jid": jid}, None

    def created(self, batch: int) -> None:
        """Note the batch that the request has created."""
        self._made = {"batch": batch}

    @property
    def exists(self) -> bool:
        """Whether the request has started something, or may have."""
        return self._made is not None or self._since is not None

    def complete(self, error: ApiError) -> ApiError:
        """Return the error of the request, with what the request has started or may have started."""
        if self._made is not None:
            text = "it has started the job {jid}" if "jid" in self._made else "it has created the batch {batch}"
            return _with(error, text.format(**self._made), {"sent": True, **self._made})
        if self._since is not None:
            return _with(error, "it may run: look for its job", {"sent": True, "since": self._since})
        return error


def _with(error: ApiError, text: str, found: dict[str, Any]) -> ApiError:
    details = error.details if isinstance(error.details, dict) else {}
    message = error.message if details.keys() & found.keys() else f"{error.message}; {text}"
    return ApiError(error.code, message, {**found, **details}, retryable=error.retryable, status=error.status)

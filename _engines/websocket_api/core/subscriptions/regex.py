"""Clients' regular expressions, and the time that each user's expressions may take.

A timeout alone is not enough: expressions that always take a little less would stop the engine too, and so would many
subscriptions with a little time each. So each user has one allowance for all connections, subscriptions and requests.
It allows 0.1 s at once, and in the long run 2 % of loop time. Quick matches count one fifth, for they cost about as
much as any subscription costs per event. A person with several user names has several allowances, but ``external_auth``
limits the names.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from ...errors import ApiError

try:
    import regex
except ImportError:
    regex = None  # type: ignore[assignment]

MAX_PATTERN = 256
"""Characters of a regular expression."""
MATCH_SECONDS = 0.005
"""Timeout for one tag and all expressions of one filter; a usual match takes a few microseconds."""
CREDIT_SECONDS = 0.1
"""Time that a user's expressions may take at once."""
EARNED = 0.02
"""Seconds of credit that a second adds."""
QUICK_SECONDS = 0.00002
"""A match that takes less counts only :data:`QUICK_SHARE` of its time."""
QUICK_SHARE = 0.2
"""Low, so that a flood of events does not use up the allowance of harmless expressions."""
ENOUGH_SECONDS = CREDIT_SECONDS / 2
"""Credit with which a user whose allowance was used up may continue."""
WARN_SECONDS = 60.0
"""Least time between two log lines about one user."""
MAX_ALLOWANCES = 1000
"""Allowances above which full ones are dropped."""

LIMIT = {"limit": "regular_expressions"}

log = logging.getLogger(__name__)


class Allowance:
    """The time that one user's expressions may take.

    :param user: for the log
    :param clock: seconds, monotonic
    """

    def __init__(self, user: str, clock: Callable[[], float]) -> None:
        self._user = user
        self._clock = clock
        self._credit = CREDIT_SECONDS
        self._settled_at = clock()
        self._used_up = False
        self._warned_at: float | None = None

    @property
    def full(self) -> bool:
        """Whether nothing is used: a new allowance is equal."""
        self._settle()
        return self._credit >= CREDIT_SECONDS

    def check(self) -> None:
        """Refuse if the time is used up.

        :raises ApiError: too_many, with the seconds to wait
        """
        if not self._used_up:
            return
        self._settle()
        if self._used_up:
            wait = round((ENOUGH_SECONDS - self._credit) / EARNED, 1)
            text = "your regular expressions took too long: use simpler ones, or try again later"
            raise ApiError("too_many", text, {**LIMIT, "retry_after": wait})

    def charge(self, seconds: float) -> None:
        """Count time that an expression took."""
        self._settle()
        self._credit -= seconds if seconds >= QUICK_SECONDS else seconds * QUICK_SHARE
        if self._credit <= 0 and not self._used_up:
            self._used_up = True
            self._warn()

    def too_slow(self) -> ApiError:
        """Return the error for expressions that exceeded :data:`MATCH_SECONDS`; not retryable, as they will again."""
        self._warn()
        text = "these regular expressions took too long on a tag: use simpler ones"
        return ApiError("too_many", text, LIMIT, retryable=False)

    def _settle(self) -> None:
        now = self._clock()
        # The credit may be negative: an expression that took too long is paid for with waiting.
        self._credit = min(CREDIT_SECONDS, self._credit + EARNED * (now - self._settled_at))
        self._settled_at = now
        if self._credit >= ENOUGH_SECONDS:
            self._used_up = False

    def _warn(self) -> None:
        now = self._clock()
        if self._warned_at is None or now - self._warned_at >= WARN_SECONDS:
            self._warned_at = now
            log.warning("regular expressions of %.200r take too long; their subscriptions and requests end", self._user)


class Allowances:
    """The allowances of all users.

    :param clock: seconds, monotonic
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._allowances: dict[tuple[str, str], Allowance] = {}

    def __len__(self) -> int:
        return len(self._allowances)

    def of(self, user: str, eauth: str) -> Allowance:
        """Return a user's allowance. It outlives sessions: a new login gives no new time."""
        allowance = self._allowances.get((user, eauth))
        if allowance is None:
            if len(self._allowances) >= MAX_ALLOWANCES:
                self._allowances = {key: one for key, one in self._allowances.items() if not one.full}
            allowance = self._allowances[user, eauth] = Allowance(user, self._clock)
        return allowance


class Expressions:
    """One filter's regular expressions.

    :param allowance: of their user
    :raises ApiError: as :meth:`Allowance.check` does; compiling takes time too
    """

    def __init__(self, patterns: Iterable[str], allowance: Allowance) -> None:
        self._allowance = allowance
        self._searches = [_compiled(pattern, allowance).search for pattern in patterns]

    def fit(self, tag: str) -> bool:
        """Return whether one of them matches somewhere in the tag.

        :raises ApiError: the search takes more time than the user has
        """
        allowance, spent = self._allowance, 0.0
        allowance.check()
        started = time.thread_time()
        try:
            for search in self._searches:
                # regex takes a negative timeout for none.
                if spent >= MATCH_SECONDS:
                    raise allowance.too_slow()
                if search(tag, timeout=MATCH_SECONDS - spent) is not None:
                    return True
                spent = time.thread_time() - started
        except TimeoutError:
            raise allowance.too_slow() from None
        finally:
            allowance.charge(time.thread_time() - started)
        return False


def check(pattern: str, path: str, allowance: Allowance) -> None:
    """Check an expression of a message.

    :param path: where it is in the message
    :raises ApiError: it is invalid, too long, or not supported on this master; or the user's time is used up
    """
    if regex is None:
        problem = "needs the Python package regex on the master"
    elif len(pattern) > MAX_PATTERN:
        problem = f"must be at most {MAX_PATTERN} characters"
    else:
        try:
            _compiled(pattern, allowance)
            return
        except regex.error as error:
            problem = f"is not a valid regular expression: {error}"
    raise ApiError("bad_message", f"{path} {problem}", [{"path": path, "message": problem}])


def _compiled(pattern: str, allowance: Allowance) -> regex.Pattern[str]:
    allowance.check()
    started = time.thread_time()
    try:
        return regex.compile(pattern)
    finally:
        allowance.charge(time.thread_time() - started)

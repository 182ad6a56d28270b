"""Clients' regular expressions, and the time that they take from everybody: one allowance for each user.

A time-out alone is not enough: expressions that always take a little less would stop the engine as well, and so would
many subscriptions, each with a little time of its own. So the time is the user's, over all connections, subscriptions
and calls, and it comes back slowly: at most 2 % of the event loop for good, and 0.1 s at once; five times that with
nothing but quick matches, each of which costs about what any subscription costs at an event. Who can log in under many
names has as many allowances, but ``external_auth`` gives the names, and they are few.
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

MAX_PATTERN = 256  # characters of a regular expression
MATCH_SECONDS = 0.005  # for one tag and all expressions of one filter; a usual one takes some microseconds
CREDIT_SECONDS = 0.1  # that a user's expressions may take at once
EARNED = 0.02  # seconds of credit that a second brings
QUICK_SECONDS = 0.00002  # a match that takes less is no burden:
QUICK_SHARE = 0.2  # this much of it counts, so that a flood of events costs honest expressions nothing
ENOUGH_SECONDS = CREDIT_SECONDS / 2  # of credit with which who used it up may begin again
WARNED_SECONDS = 60.0  # between two lines in the log about one user
MOST_ALLOWANCES = 1000

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
        """Whether a new allowance would be the same."""
        self._settle()
        return self._credit >= CREDIT_SECONDS

    def check(self) -> None:
        """Raise ``too_many``, with the seconds to wait, where the time is used up."""
        if not self._used_up:
            return
        self._settle()
        if self._used_up:
            wait = round((ENOUGH_SECONDS - self._credit) / EARNED, 1)
            sentence = "your regular expressions took too long: ask with simpler ones, or later"
            raise ApiError("too_many", sentence, {**LIMIT, "retry_after": wait})

    def charge(self, seconds: float) -> None:
        """Count time that was taken."""
        self._settle()
        self._credit -= seconds if seconds >= QUICK_SECONDS else seconds * QUICK_SHARE
        if self._credit <= 0 and not self._used_up:
            self._used_up = True
            self._warn()

    def too_slow(self) -> ApiError:
        """Return what to raise for expressions that ran out of :data:`MATCH_SECONDS`; they always will."""
        self._warn()
        sentence = "these regular expressions took too long on a tag: ask with simpler ones"
        return ApiError("too_many", sentence, LIMIT, retryable=False)

    def _settle(self) -> None:
        now = self._clock()
        # Debts are not forgiven: what took too long once is waited for.
        self._credit = min(CREDIT_SECONDS, self._credit + EARNED * (now - self._settled_at))
        self._settled_at = now
        if self._credit >= ENOUGH_SECONDS:
            self._used_up = False

    def _warn(self) -> None:
        now = self._clock()
        if self._warned_at is None or now - self._warned_at >= WARNED_SECONDS:
            self._warned_at = now
            log.warning("the regular expressions of %.200r take too long: what asks with them ends", self._user)


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
        """Return a user's allowance, which outlives sessions: a new login brings no new time."""
        allowance = self._allowances.get((user, eauth))
        if allowance is None:
            if len(self._allowances) >= MOST_ALLOWANCES:
                self._allowances = {key: one for key, one in self._allowances.items() if not one.full}
            allowance = self._allowances[user, eauth] = Allowance(user, self._clock)
        return allowance


class Expressions:
    """One filter's regular expressions.

    :param allowance: of the user who asks with them
    :raises ApiError: as :meth:`Allowance.check` does; expressions take time to be compiled, too
    """

    def __init__(self, patterns: Iterable[str], allowance: Allowance) -> None:
        self._allowance = allowance
        self._searches = [_compiled(pattern, allowance).search for pattern in patterns]

    def fit(self, tag: str) -> bool:
        """Tell whether one of them is found in the tag.

        :raises ApiError: finding out takes more time than the user has
        """
        allowance, spent = self._allowance, 0.0
        allowance.check()
        began = time.thread_time()
        try:
            for search in self._searches:
                # A time-out below 0 would be none at all.
                if spent >= MATCH_SECONDS:
                    raise allowance.too_slow()
                if search(tag, timeout=MATCH_SECONDS - spent) is not None:
                    return True
                spent = time.thread_time() - began
        except TimeoutError:
            raise allowance.too_slow() from None
        finally:
            allowance.charge(time.thread_time() - began)
        return False


def check(pattern: str, path: str, allowance: Allowance) -> None:
    """Compile an expression of a message.

    :param path: where it stands there
    :raises ApiError: it is wrong, too long, or not to be had on this master; or the user's time is used up
    """
    if regex is None:
        problem = "regular expressions need the Python package regex on the master"
    elif len(pattern) > MAX_PATTERN:
        problem = f"must be at most {MAX_PATTERN} characters"
    else:
        try:
            _compiled(pattern, allowance)
            return
        except regex.error as error:
            problem = f"is no regular expression: {error}"
    raise ApiError("bad_message", f"{path} {problem}", [{"path": path, "message": problem}])


def _compiled(pattern: str, allowance: Allowance) -> regex.Pattern[str]:
    allowance.check()
    began = time.thread_time()
    try:
        return regex.compile(pattern)
    finally:
        allowance.charge(time.thread_time() - began)

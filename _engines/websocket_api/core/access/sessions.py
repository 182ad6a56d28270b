"""Authenticated clients: one session for each token, updated with the token's state in Salt."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol
from weakref import WeakValueDictionary

from ...errors import ApiError
from ...fair_share import Share, in_turns
from .memory import Memory
from .permissions import Permissions, permission_key
from .session import Holdings, Session
from .target_sets import TargetSets
from .visibility import Viewer

log = logging.getLogger(__name__)

UNUSED_SECONDS = 60.0  # until an unused session is dropped
MAX_EXPIRED = 10_000  # expired tokens that are remembered as once valid; about 150 bytes each


class SaltAuth(Protocol):
    """Salt's accounts, implemented by salt_master/auth.py."""

    @property
    def fault(self) -> str | None:
        """What is wrong with the token store; None if it works."""
        ...

    def check_store(self) -> Awaitable[None]:
        """See whether a failing token store works again."""
        ...

    def login(self, username: str, password: str, eauth: str) -> Awaitable[Mapping[str, Any] | None]:
        """Return a new token with ``perms``, or None if Salt refuses."""
        ...

    def token(self, token: str) -> Awaitable[Mapping[str, Any] | None]:
        """Return the token with its present ``perms``, or None if it is invalid.

        :raises ApiError: ``token_expired``
        """
        ...

    def revoke(self, token: str) -> Awaitable[None]:
        """End the token in Salt."""
        ...


class Sessions:
    """All sessions, by token.

    :param auth: Salt's accounts
    :param targets: expansions of the targets in auth lists
    :param clock: seconds since the epoch, as in a token's ``expire``
    :param memory_per_user: the maximum bytes of memory of one user; None for no limit
    """

    def __init__(
        self,
        auth: SaltAuth,
        targets: TargetSets,
        clock: Callable[[], float],
        memory_per_user: int | None = None,
    ) -> None:
        self._auth = auth
        self._targets = targets
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._expired: dict[str, None] = {}
        """Expired tokens, the latest last. Salt removes them, and then treats them like any wrong token."""
        self._permissions: WeakValueDictionary[str, Permissions] = WeakValueDictionary()
        self._memory_per_user = memory_per_user
        self.memory: Counter[str] = Counter()
        """Bytes that all users take, by kind."""
        self.strangers = Memory(memory_per_user, self.memory)
        """What all clients without a login take together: large webhooks, if the options allow them."""
        self._holdings: WeakValueDictionary[Share, Holdings] = WeakValueDictionary()
        self._on_end: list[Callable[[Session], None]] = []
        self._on_change: list[Callable[[Session], None]] = []

    def on_end(self, call: Callable[[Session], None]) -> None:
        """Register a callback for ended sessions. ``session.ended`` is the reason."""
        self._on_end.append(call)

    def on_change(self, call: Callable[[Session], None]) -> None:
        """Register a callback for sessions whose permissions changed."""
        self._on_change.append(call)

    async def login(self, username: str, password: str, eauth: str) -> Session:
        """Log in with a Salt account.

        :raises ApiError: ``unauthenticated``; ``forbidden`` for an account without permissions
        """
        info = await self._auth.login(username, password, eauth)
        if info is None:
            raise ApiError("unauthenticated", "the login was refused")
        if not info["perms"]:
            await self._auth.revoke(info["token"])
            raise ApiError("forbidden", "this account may do nothing on this master")
        return await self._create(info)

    async def by_token(self, token: str) -> Session:
        """Return the session of a token.

        :raises ApiError: unauthenticated, token_expired, forbidden, master_unavailable
        """
        session = self._sessions.get(token)
        if session is None:
            info = await self._fetch(token)
            if not info["perms"]:
                raise ApiError("forbidden", "this account may do nothing on this master")
            session = await self._create(info)
        self.check(session)
        session.used = self._clock()
        return session

    def has_session(self, token: str) -> bool:
        """Return whether the token has a session."""
        return token in self._sessions

    def memory_of(self, token: str) -> Memory | None:
        """Return the memory of a token's user; None if the token has no session."""
        session = self._sessions.get(token)
        return None if session is None else session.holdings.memory

    def user_of(self, token: str) -> dict[str, str]:
        """Return the ``eauth`` and ``username`` of a token with a session, else nothing."""
        session = self._sessions.get(token)
        return {} if session is None else {"eauth": session.eauth, "username": session.user}

    def check(self, session: Session) -> None:
        """Check that a session is valid.

        :raises ApiError: the reason why it ended
        """
        if session.ended is None and session.expire <= self._clock():
            self._end(session, _expired())
        if session.ended is not None:
            raise session.ended.copy()

    async def revoke(self, session: Session, then: Callable[[Callable[[], None]], None] | None = None) -> None:
        """End a session and its token in Salt.

        :param then: gets a callback that ends the session, to be called after the reply is sent
        """
        await self._auth.revoke(session.token)
        why = ApiError("unauthenticated", "the token was revoked by a logout")
        if then is None:
            self._end(session, why)
        else:
            self._sessions.pop(session.token, None)  # from now on nobody can use it
            then(lambda: self._end(session, why))

    def expire(self) -> None:
        """End expired sessions. Called every second."""
        now = self._clock()
        for session in [session for session in self._sessions.values() if session.expire <= now]:
            self._end(session, _expired())

    async def recheck(self) -> None:
        """Check every session in use with Salt. Called every ``token_check`` seconds."""
        for session in in_turns(list(self._sessions.values()), lambda session: session.share):
            if not session.held and self._clock() - session.used > UNUSED_SECONDS:
                self._sessions.pop(session.token, None)
                continue
            try:
                info = await self._auth.token(session.token)
            except ApiError as error:
                if error.code == "token_expired":
                    self._end(session, error)
                    continue
                # A failing store says nothing about the token. The next check may.
                log.warning("a token could not be checked: %s", error.message)
                continue
            if session.ended is not None:
                continue
            if info is None:
                over = session.expire <= self._clock()
                self._end(session, _expired() if over else ApiError("unauthenticated", "the token was revoked"))
            elif not info["perms"]:
                self._end(session, ApiError("forbidden", "this account may do nothing on this master any more"))
            else:
                await self._renew(session, info)

    def all(self) -> list[Session]:
        """Return all sessions."""
        return list(self._sessions.values())

    async def _fetch(self, token: str) -> Mapping[str, Any]:
        """Return Salt's data of a valid token.

        :raises ApiError: ``token_expired`` if it was valid once, else ``unauthenticated``
        """
        try:
            info = await self._auth.token(token)
        except ApiError as error:
            if error.code == "token_expired":
                self._note_expired(token)
            raise
        if info is not None:
            return info
        raise _expired() if token in self._expired else ApiError("unauthenticated", "this token is not valid")

    @property
    def expired(self) -> list[str]:
        """The tokens that were valid once, for :meth:`restore_expired` in another process."""
        return list(self._expired)

    def restore_expired(self, tokens: Iterable[str]) -> None:
        """Tell the owners of these tokens that they have expired, not that they are wrong."""
        for token in tokens:
            self._note_expired(token)

    def _note_expired(self, token: str) -> None:
        self._expired[token] = None
        if len(self._expired) > MAX_EXPIRED:
            del self._expired[next(iter(self._expired))]

    async def _renew(self, session: Session, info: Mapping[str, Any]) -> None:
        session.expire = info["expire"]
        permissions = self._shared(info["perms"])
        await self._targets.ensure(permissions.expressions)
        if permissions.key != session.permissions.key:
            session.viewer = Viewer(session.user, session.eauth, permissions)
            for call in self._on_change:
                call(session)

    async def _create(self, info: Mapping[str, Any]) -> Session:
        permissions = self._shared(info["perms"])
        # Expand the targets first, because unknown sets would hide visible things.
        await self._targets.ensure(permissions.expressions)
        holdings = self._holdings.setdefault(
            Share(info["name"], info["eauth"]), Holdings(memory=Memory(self._memory_per_user, self.memory))
        )
        session = Session(info, Viewer(info["name"], info["eauth"], permissions), holdings)
        session.used = self._clock()
        return self._sessions.setdefault(session.token, session)

    def _shared(self, auth_list: list[Any]) -> Permissions:
        key = permission_key(auth_list)
        permissions = self._permissions.get(key)
        if permissions is None:
            permissions = self._permissions[key] = Permissions(auth_list, self._targets)
        return permissions

    def _end(self, session: Session, why: ApiError) -> None:
        self._sessions.pop(session.token, None)
        if why.code == "token_expired":
            self._note_expired(session.token)
        if session.ended is None:
            session.ended = why
            for call in self._on_end:
                call(session)


def _expired() -> ApiError:
    return ApiError("token_expired", "the token has expired; log in again")

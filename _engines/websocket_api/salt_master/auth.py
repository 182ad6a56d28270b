"""Logins and tokens, by Salt's own external authentication."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import threading
import time
from typing import Any

import salt.auth
import salt.exceptions

from ..errors import ApiError
from .pool import Pool
from .salt_compat import plain

log = logging.getLogger(__name__)

#: Seconds before a token store that failed is asked once more: long enough for a rename on a network file system.
AGAIN_SECONDS = 0.2
#: Salt prints tokens in warnings of these loggers ("Token '...' could not be loaded", "Could not remove token ...").
_LEAKING = (
    "salt.auth",
    "salt.channel.client",  # at level trace: the whole load
    "salt.tokens.localfs",
    "salt.loaded.int.tokens.localfs",
    "salt.loaded.int.cache.localfs",
)
#: What a client is told of its token; ``auth_list``, which keep_acl_in_token adds, is given as perms.
_TOLD = ("token", "start", "expire", "name", "eauth", "groups")
_HEX = re.compile(r"\b[0-9a-fA-F]{32,128}\b")


class _Over(Exception):
    """A token that Salt's store still held, and that has ended; Salt removes it when it is looked at."""


class HideTokens(logging.Filter):
    """Replaces what looks like a token in a log record, the traceback included."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        hidden = _HEX.sub("<token>", message)
        if hidden != message:
            record.msg, record.args = hidden, None
        if record.exc_info and not record.exc_text:
            record.exc_text = _HEX.sub("<token>", logging.Formatter().formatException(record.exc_info))
        return True


class _LoadAuth(salt.auth.LoadAuth):  # type: ignore[misc]
    """Salt's LoadAuth, which tells a refused login from a store that cannot keep the token: both give ``{}``."""

    let_in = False

    def authenticate_eauth(self, load: dict[str, Any]) -> bool:
        self.let_in = bool(super().authenticate_eauth(load))
        return self.let_in


class Auth:
    """Who a client is and what Salt lets it do.

    Where a method returns a login, it is
    ``{"token", "start", "expire", "name", "eauth", "groups" if any, "perms": [...]}`` with times in seconds since the
    epoch and perms as Salt's ``external_auth`` holds them (strings and ``{target: [functions]}``).

    :param pool: for everything that is quick
    :param login_pool: for logins, which block for seconds when PAM or LDAP refuses
    """

    def __init__(self, opts: dict[str, Any], pool: Pool, login_pool: Pool) -> None:
        self._opts = opts
        self._pool = pool
        self._login_pool = login_pool
        # Salt's loader is not thread safe: every thread has a LoadAuth of its own.
        self._local = threading.local()
        length = hashlib.new(opts.get("hash_type") or "sha256").digest_size * 2
        self._form = re.compile(rf"[0-9a-fA-F]{{{length}}}\Z")
        for name in _LEAKING:
            logger = logging.getLogger(name)
            if not any(isinstance(item, HideTokens) for item in logger.filters):
                logger.addFilter(HideTokens())

    async def login(self, username: str, password: str, eauth: str) -> dict[str, Any] | None:
        """A new token, or None when Salt refuses the login or has no such ``eauth``.

        A login without any permission is returned with ``perms: []``: the caller refuses it and revokes the token.

        :raises ApiError: ``master_unavailable`` when the token cannot be stored, ``too_many`` when the pool is full
        """
        if eauth not in self._opts["external_auth"]:
            return None
        return await self._login_pool.run(self._login, username, password, eauth)

    async def token(self, token: str) -> dict[str, Any] | None:
        """The login that a token stands for, with its permissions of today, or None when it is not valid (any more).

        What does not look like a token never reaches the store, where it would be taken for a file name.

        :raises ApiError: ``token_expired`` for one that the store still holds: once, for then Salt removes it;
            ``master_unavailable`` when the store fails twice
        """
        if not self._form.match(token):
            return None
        for attempt in (1, 2):
            try:
                return await self._pool.run(self._look_up, token)
            except ApiError:
                raise
            except Exception as exc:  # noqa: BLE001 - SaltCacheError, OSError, redis' ConnectionError ...
                log.warning("the token store fails (%s)%s", type(exc).__name__, ", trying once more" * (attempt == 1))
            if attempt == 1:
                await asyncio.sleep(AGAIN_SECONDS)
        raise ApiError("master_unavailable", "the master's token store does not answer; try again later")

    async def revoke(self, token: str) -> None:
        """Remove a token from Salt's store; nothing happens when it is not there.

        :raises ApiError: ``master_unavailable`` when it cannot be removed, and so stays valid
        """
        if not self._form.match(token):
            return
        try:
            gone = await self._pool.run(self._remove, token)
        except ApiError:
            raise
        except Exception as exc:  # noqa: BLE001 - as above
            log.warning("the token store fails (%s), a token was not revoked", type(exc).__name__)
            gone = False
        if not gone:
            raise ApiError("master_unavailable", "the master's token store did not remove the token; try again later")

    # What follows runs in the pools' threads.

    def _auth(self) -> _LoadAuth:
        if not hasattr(self._local, "auth"):
            self._local.auth = _LoadAuth(self._opts)
        auth: _LoadAuth = self._local.auth
        return auth

    def _login(self, username: str, password: str, eauth: str) -> dict[str, Any] | None:
        auth = self._auth()
        auth.let_in = False
        tdata = auth.mk_token({"username": username, "password": password, "eauth": eauth})
        if tdata and "token" in tdata:
            return self._describe(auth, tdata)
        if auth.let_in:
            raise ApiError("master_unavailable", "the master cannot store the token; try again later")
        return None

    def _look_up(self, token: str) -> dict[str, Any] | None:
        auth = self._auth()
        try:
            tdata = self._fetch(auth, token)
        except _Over:
            raise ApiError("token_expired", "the token has expired; log in again") from None
        # As the master itself does: a backend that was taken out of external_auth ends its tokens.
        if not tdata or tdata.get("eauth") not in self._opts["external_auth"]:
            return None
        return self._describe(auth, {**tdata, "token": token})

    def _remove(self, token: str) -> bool:
        auth = self._auth()
        try:
            if self._fetch(auth, token):
                auth.rm_token(token)
            return not self._fetch(auth, token)
        except _Over:
            return True

    def _describe(self, auth: _LoadAuth, tdata: dict[str, Any]) -> dict[str, Any]:
        # The same load as in a command (commands.py), so that Salt finds the same list for both: it asks
        # a backend that has an ``acl`` of its own only where the load names the backend and the user.
        load = {"token": tdata["token"], "eauth": tdata["eauth"], "username": tdata["name"]}
        perms = auth.get_auth_list(load, token=tdata)
        login: dict[str, Any] = {key: plain(tdata[key]) for key in _TOLD if key in tdata}
        login["perms"] = plain(perms) or []
        return login

    def _fetch(self, auth: _LoadAuth, token: str) -> dict[str, Any]:
        """The stored token, ``{}`` when there is none; raises :class:`_Over`, and others when the store fails.

        ``get_tok`` alone cannot be used: it gives ``{}`` for a failing store too, and on 3008 it logs a warning and
        writes to the store for every token that it does not know, which any stranger may send.
        """
        if hasattr(auth, "cache") and self._opts.get("eauth_tokens.cache_driver") != "rediscluster":
            return self._fetch_cached(auth, token)
        if self._opts.get("eauth_tokens") == "localfs":
            return self._fetch_file(auth, token)
        tdata: dict[str, Any] = auth.get_tok(token) or {}
        return tdata

    @staticmethod
    def _fetch_cached(auth: _LoadAuth, token: str) -> dict[str, Any]:
        """Salt 3008: tokens lie in a salt.cache bank, which answers for one that is over as if there were none."""
        try:
            tdata: dict[str, Any] = auth.cache.fetch("tokens", token) or {}
        except salt.exceptions.SaltDeserializationError:
            auth.get_tok(token)  # which removes what cannot be read
            return {}
        over = tdata.get("expire", 0) < time.time() if tdata else auth.cache.contains("tokens", token)
        if over:
            auth.get_tok(token)  # which removes what is over
            raise _Over
        return tdata

    def _fetch_file(self, auth: _LoadAuth, token: str) -> dict[str, Any]:
        """Salt 3007: tokens are files."""
        path = os.path.join(self._opts["token_dir"], token)
        try:
            os.stat(path)
        except FileNotFoundError:
            os.stat(self._opts["token_dir"])  # raises when the directory is away: that says nothing about the token
            return {}
        tdata: dict[str, Any] = auth.get_tok(token) or {}
        if not tdata:
            if os.path.exists(path):
                raise OSError("a token exists and cannot be read")
            raise _Over  # it was there a moment ago: Salt has just removed it
        return tdata

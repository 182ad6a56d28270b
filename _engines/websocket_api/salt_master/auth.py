"""Logins and tokens of Salt's external authentication."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import time
from typing import Any

import salt.auth
import salt.exceptions

from ..errors import ApiError
from .per_thread import PerThread, with_driver
from .pool import Pool
from .salt_compat import plain

log = logging.getLogger(__name__)

#: Seconds before the only retry after the token store failed: enough for a rename on a network file system.
RETRY_SECONDS = 0.2
#: What everybody may read in ``/healthz``.
STORE_FAULT = "the master's token store fails: nobody can log in"
#: Loggers of Salt that print tokens in warnings ("Token '...' could not be loaded", "Could not remove token ...").
_LEAKING_LOGGERS = (
    "salt.auth",
    "salt.channel.client",  # at level trace: the whole load
    "salt.tokens.localfs",
    "salt.loaded.int.tokens.localfs",
    "salt.loaded.int.cache.localfs",
)
#: Fields of a token that a client gets. ``auth_list``, which keep_acl_in_token adds, is sent as perms.
_LOGIN_FIELDS = ("token", "start", "expire", "name", "eauth", "groups")
#: What Salt looks up in a backend at a login, or to find the permissions of a token.
_BACKEND_FUNCTIONS = ("auth", "groups", "acl", "process_acl")
_TOKEN_LIKE = re.compile(r"\b[0-9a-fA-F]{32,128}\b")


class _Expired(Exception):
    """The token has expired. Salt removes it when it reads it."""


class HideTokens(logging.Filter):
    """Replaces everything that looks like a token in a log record and its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        hidden = _TOKEN_LIKE.sub("<token>", message)
        if hidden != message:
            record.msg, record.args = hidden, None
        if record.exc_info and not record.exc_text:
            record.exc_text = _TOKEN_LIKE.sub("<token>", logging.Formatter().formatException(record.exc_info))
        return True


class _LoadAuth(salt.auth.LoadAuth):  # type: ignore[misc]
    """Salt's LoadAuth, which also shows why a login failed.

    Salt returns ``{}`` both for a refused login and for a token that it cannot store.
    """

    admitted = False

    def authenticate_eauth(self, load: dict[str, Any]) -> bool:
        self.admitted = bool(super().authenticate_eauth(load))
        return self.admitted


class Auth:
    """Checks passwords and tokens.

    A login is ``{"token", "start", "expire", "name", "eauth", "groups" if any, "perms": [...]}``. Times are seconds
    since the epoch. The perms have the form of ``external_auth``: strings and ``{target: [functions]}``.

    :param pool: for quick calls
    :param login_pool: for logins, which block for seconds if PAM or LDAP refuses
    """

    def __init__(self, opts: dict[str, Any], pool: Pool, login_pool: Pool) -> None:
        self.fault: str | None = None
        """What is wrong with the token store, as far as the last call showed; None if it works."""
        self._opts = opts
        self._pool = pool
        self._login_pool = login_pool
        self._auths = PerThread(self._make_auth)
        length = hashlib.new(opts.get("hash_type") or "sha256").digest_size * 2
        self._token_length = length
        self._form = re.compile(rf"[0-9a-fA-F]{{{length}}}\Z")
        for name in _LEAKING_LOGGERS:
            logger = logging.getLogger(name)
            if not any(isinstance(item, HideTokens) for item in logger.filters):
                logger.addFilter(HideTokens())

    async def login(self, username: str, password: str, eauth: str) -> dict[str, Any] | None:
        """Log in and return the login, or None if Salt refuses it or does not know the ``eauth``.

        A login without permissions has ``perms: []``. The caller must refuse it and revoke the token.

        :raises ApiError: ``master_unavailable`` if the token cannot be stored; ``too_many`` if the pool is full
        """
        if eauth not in self._opts["external_auth"]:
            return None
        try:
            return await self._login_pool.run(self._login, username, password, eauth)
        except ApiError as error:
            if error.code == "master_unavailable":
                self.fault = STORE_FAULT
            raise

    async def token(self, token: str) -> dict[str, Any] | None:
        """Return the login of a token with its current permissions, or None if the token is invalid.

        Text that does not look like a token never reaches the store, which would use it as a file name.

        :raises ApiError: ``token_expired`` the first time after the token expired, because Salt then removes it;
            ``master_unavailable`` if the store fails twice
        """
        if not self._form.match(token):
            return None
        for attempt in (1, 2):
            try:
                found = await self._pool.run(self._look_up, token)
                self.fault = None
                return found
            except ApiError:
                raise
            except Exception as error:  # noqa: BLE001 - SaltCacheError, OSError, redis' ConnectionError ...
                log.warning("the token store fails (%s)%s", type(error).__name__, ", trying again" * (attempt == 1))
            if attempt == 1:
                await asyncio.sleep(RETRY_SECONDS)
        self.fault = STORE_FAULT
        raise ApiError("master_unavailable", "the master's token store does not answer; try again later")

    async def check_store(self) -> None:
        """If the token store failed, see whether it works again: it must answer that an invalid token is unknown."""
        if self.fault is not None:
            with contextlib.suppress(ApiError):
                await self.token("0" * self._token_length)

    async def revoke(self, token: str) -> None:
        """Remove a token from Salt's store, if it is there.

        :raises ApiError: ``master_unavailable`` if it cannot be removed and so stays valid
        """
        if not self._form.match(token):
            return
        try:
            removed = await self._pool.run(self._remove, token)
        except ApiError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("the token store fails (%s), a token was not revoked", type(error).__name__)
            removed = False
        if not removed:
            raise ApiError("master_unavailable", "the master's token store did not remove the token; try again later")

    # The methods below run in the pools' threads.

    def _make_auth(self) -> _LoadAuth:
        auth = _LoadAuth(self._opts)
        for name in self._opts["external_auth"]:
            # Most backends lack some of these. Salt's loader then loads all others, to look for the function in them.
            for function in _BACKEND_FUNCTIONS:
                auth.auth.get(f"{name}.{function}")
        auth.tokens.get(f"{self._opts['eauth_tokens']}.get_token")
        if hasattr(auth, "cache"):  # 3008 keeps tokens there
            with_driver(auth.cache)
        return auth

    def _login(self, username: str, password: str, eauth: str) -> dict[str, Any] | None:
        auth = self._auths.get()
        auth.admitted = False
        tdata = auth.mk_token({"username": username, "password": password, "eauth": eauth})
        if tdata and "token" in tdata:
            return self._describe(auth, tdata)
        if auth.admitted:
            raise ApiError("master_unavailable", "the master cannot store the token; try again later")
        return None

    def _look_up(self, token: str) -> dict[str, Any] | None:
        auth = self._auths.get()
        try:
            tdata = self._fetch(auth, token)
        except _Expired:
            raise ApiError("token_expired", "the token has expired; log in again") from None
        # The master does the same: removing a backend from external_auth ends its tokens.
        if not tdata or tdata.get("eauth") not in self._opts["external_auth"]:
            return None
        return self._describe(auth, {**tdata, "token": token})

    def _remove(self, token: str) -> bool:
        auth = self._auths.get()
        try:
            if self._fetch(auth, token):
                auth.rm_token(token)
            return not self._fetch(auth, token)
        except _Expired:
            return True

    def _describe(self, auth: _LoadAuth, tdata: dict[str, Any]) -> dict[str, Any]:
        # Equal to the load of a command (commands.py), or Salt may find other permissions: it asks a backend for its
        # own ``acl`` only if the load names the backend and the user.
        load = {"token": tdata["token"], "eauth": tdata["eauth"], "username": tdata["name"]}
        perms = auth.get_auth_list(load, token=tdata)
        login: dict[str, Any] = {key: plain(tdata[key]) for key in _LOGIN_FIELDS if key in tdata}
        login["perms"] = plain(perms) or []
        return login

    def _fetch(self, auth: _LoadAuth, token: str) -> dict[str, Any]:
        """Return the stored token, or ``{}`` if there is none.

        ``get_tok`` alone is not enough: it also returns ``{}`` if the store fails. On 3008 each unknown token costs a
        warning in the log and a write to the store, and anybody can send unknown tokens.

        :raises _Expired: the token has expired
        :raises Exception: the store fails
        """
        if hasattr(auth, "cache") and self._opts.get("eauth_tokens.cache_driver") != "rediscluster":
            return self._fetch_cached(auth, token)
        if self._opts.get("eauth_tokens") == "localfs":
            return self._fetch_file(auth, token)
        tdata: dict[str, Any] = auth.get_tok(token) or {}
        return tdata

    @staticmethod
    def _fetch_cached(auth: _LoadAuth, token: str) -> dict[str, Any]:
        """Read the token on Salt 3008, from a salt.cache bank. The bank hides expired tokens."""
        try:
            tdata: dict[str, Any] = auth.cache.fetch("tokens", token) or {}
        except salt.exceptions.SaltDeserializationError:
            auth.get_tok(token)  # removes the unreadable token
            return {}
        expired = tdata.get("expire", 0) < time.time() if tdata else auth.cache.contains("tokens", token)
        if expired:
            auth.get_tok(token)  # removes the expired token
            raise _Expired
        return tdata

    def _fetch_file(self, auth: _LoadAuth, token: str) -> dict[str, Any]:
        """Read the token on Salt 3007, where tokens are files."""
        path = os.path.join(self._opts["token_dir"], token)
        try:
            os.stat(path)
        except FileNotFoundError:
            os.stat(self._opts["token_dir"])  # raises if the whole directory is missing: then the store fails
            return {}
        tdata: dict[str, Any] = auth.get_tok(token) or {}
        if not tdata:
            if os.path.exists(path):
                raise OSError("a token exists and cannot be read")
            raise _Expired  # Salt has just removed it
        return tdata

"""Logins and tokens on a real master."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websocket_api.errors import ApiError
from websocket_api.salt_master.auth import Auth
from websocket_api.salt_master.per_thread import PerThread
from websocket_api.salt_master.pool import Pool
from websocket_api.salt_master.salt_compat import SALT_LINE

from tests.integration.conftest import SECRET, USERS

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

Token = Callable[[str], Awaitable[str]]


@pytest.mark.parametrize("name", sorted(USERS))
async def test_a_login_tells_the_token_and_what_its_user_may(auth: Auth, name: str) -> None:
    """As plain data; nobody's empty permissions are the caller's to refuse."""
    login = await auth.login(name, SECRET, "sharedsecret")
    assert login is not None
    assert (login["name"], login["eauth"], login["perms"]) == (name, "sharedsecret", USERS[name])
    assert type(login["perms"]) is list
    assert login["start"] <= time.time() < login["expire"]
    assert await auth.token(login["token"]) == login


@pytest.mark.parametrize(
    ("name", "password", "eauth"),
    [("demo", "wrong", "sharedsecret"), ("demo", SECRET, "nonsense"), ("demo", SECRET, "")],
)
async def test_a_wrong_login_is_refused_without_a_reason(auth: Auth, name: str, password: str, eauth: str) -> None:
    """None, whatever was wrong."""
    assert await auth.login(name, password, eauth) is None


async def test_a_revoked_token_is_valid_no_more(auth: Auth, token: Token) -> None:
    """In Salt's own store, and revoking it twice is no error."""
    key = await token("demo")
    await auth.revoke(key)
    assert await auth.token(key) is None
    await auth.revoke(key)


@pytest.mark.parametrize("odd", ["", "..", "../../etc/passwd", "f" * 63, "f" * 65, "g" * 64, "f" * 64 + "\n", "*"])
async def test_what_does_not_look_like_a_token_never_reaches_the_store(
    auth: Auth, odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be taken for a file name there."""
    monkeypatch.setattr(auth, "_fetch", lambda *_: pytest.fail("the store was asked"))
    assert await auth.token(odd) is None
    await auth.revoke(odd)


async def test_an_unknown_token_leaves_no_trace_in_the_log(auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    """Or any stranger could fill it; Salt 3008 writes a warning with the token for each."""
    caplog.set_level("INFO")
    assert await auth.token("f" * 64) is None
    # The master's and the minions' own lines are forwarded to this test too, whatever they do meanwhile.
    here = [record for record in caplog.records if record.name.startswith(("salt.auth", "salt.cache", "websocket_api"))]
    assert not here
    assert "f" * 64 not in caplog.text


async def test_an_expired_token_is_told_as_such_and_removed(
    opts: dict[str, Any], pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """And what Salt logs about it does not show it."""
    caplog.set_level("DEBUG", "salt.auth")
    auth = Auth({**opts, "token_expire": -1}, pool, pool)
    login = await auth.login("demo", SECRET, "sharedsecret")
    assert login is not None
    with pytest.raises(ApiError) as refused:
        await auth.token(login["token"])
    assert refused.value.code == "token_expired"
    await auth.revoke(login["token"])
    # A long-lived one still is: only the clock ended the other.
    assert await Auth(opts, pool, pool).token(login["token"]) is None
    assert login["token"] not in caplog.text


@pytest.mark.skipif(SALT_LINE >= 3008, reason="only 3007 has a directory of tokens")
async def test_a_store_that_cannot_be_read_is_no_reason_to_end_a_session(
    opts: dict[str, Any], pool: Pool, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Salt answers as if the token were gone."""
    monkeypatch.setattr("websocket_api.salt_master.auth.RETRY_SECONDS", 0)
    auth = Auth({**opts, "token_dir": str(tmp_path / "gone")}, pool, pool)
    with pytest.raises(ApiError) as failed:
        await auth.token("f" * 64)
    assert failed.value.code == "master_unavailable"


async def test_a_store_that_fails_once_is_asked_again(
    auth: Auth, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And twice is an error that says: try again later."""
    key, asked, fetch = await token("demo"), 0, auth._fetch
    monkeypatch.setattr("websocket_api.salt_master.auth.RETRY_SECONDS", 0)
    failures = 1

    def fail(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked <= failures:
            raise OSError("no")
        return fetch(*args)

    monkeypatch.setattr(auth, "_fetch", fail)
    assert await auth.token(key)
    assert asked == 2
    failures, asked = 9, 0
    with pytest.raises(ApiError) as failed:
        await auth.token(key)
    assert (failed.value.code, failed.value.retryable, asked) == ("master_unavailable", True, 2)
    assert auth.fault is not None
    failures = 0
    await auth.check_store()  # nobody logs in, and the fault must end all the same
    assert auth.fault is None


async def test_a_token_that_cannot_be_stored_is_not_a_wrong_password(
    opts: dict[str, Any], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Salt gives the same empty answer for both."""
    auth = Auth(opts, pool, pool)

    def refuse(*_: Any, **__: Any) -> Any:
        raise __import__("salt.exceptions").exceptions.SaltCacheError("full")

    def lose(*_: Any, **__: Any) -> dict[str, Any]:
        return {}

    made = auth._make_auth

    def broken() -> Any:
        salts = made()
        if SALT_LINE >= 3008:
            monkeypatch.setattr(salts.cache, "store", refuse)
        else:
            salts.tokens = {f"{opts['eauth_tokens']}.mk_token": lose}
        return salts

    monkeypatch.setattr(auth, "_auths", PerThread(broken))
    with pytest.raises(ApiError) as failed:
        await auth.login("demo", SECRET, "sharedsecret")
    assert failed.value.code == "master_unavailable"
    assert await auth.login("demo", "wrong", "sharedsecret") is None


async def test_tokens_are_hidden_in_what_salt_logs(auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    """Its warnings print them, its trace of requests too."""
    caplog.set_level("DEBUG")
    secret = "ab" * 32
    for name in ("salt.auth", "salt.channel.client"):
        logger = logging.getLogger(name)
        logger.warning("Token %r could not be loaded", secret)
        try:
            raise ValueError(f"/tokens/{secret}")
        except ValueError:
            logger.exception("no")
    assert "could not be loaded" in caplog.text
    assert secret not in caplog.text

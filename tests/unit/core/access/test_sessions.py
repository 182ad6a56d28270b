"""Sessions: login, expiry, revocation and changed permissions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websocket_api.core.access.session import Session
from websocket_api.core.access.sessions import UNUSED_SECONDS, Sessions
from websocket_api.core.access.target_sets import TargetSets
from websocket_api.errors import ApiError

from tests.unit.core.support import Client, Time

TOKEN = "a" * 64


class Salt:
    """Salt's accounts: one user, and tokens that can change without the engine's knowledge."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.tokens: dict[str, dict[str, Any]] = {}
        self.perms: list[Any] = ["test.ping"]
        self.revoked: list[str] = []
        self.asked = 0
        self.fails = False
        self.over = False

    def give(self, token: str = TOKEN, *, seconds: float = 1000, perms: list[Any] | None = None) -> dict[str, Any]:
        times = {"start": self.time.now, "expire": self.time.now + seconds}
        info = {"token": token, "name": "ann", "eauth": "pam", **times, "perms": self.perms if perms is None else perms}
        self.tokens[token] = info
        return info

    async def login(self, username: str, password: str, eauth: str) -> dict[str, Any] | None:
        return self.give() if (username, password, eauth) == ("ann", "right", "pam") else None

    async def token(self, token: str) -> dict[str, Any] | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.over:
            raise ApiError("token_expired", "the token has expired")
        if self.fails:
            raise ApiError("master_unavailable", "the token store fails")
        return self.tokens.get(token)

    async def revoke(self, token: str) -> None:
        self.revoked.append(token)
        self.tokens.pop(token, None)


class Fixture:
    """Sessions, and the callbacks that they made."""

    def __init__(self) -> None:
        self.time = Time()
        self.salt = Salt(self.time)
        self.sets: dict[str, list[str]] = {"web*": ["web1"]}
        self.targets = TargetSets(self.match, self.time)
        self.sessions = Sessions(self.salt, self.targets, self.time)
        self.ended: list[Session] = []
        self.changed: list[Session] = []
        self.sessions.on_end(self.ended.append)
        self.sessions.on_change(self.changed.append)

    async def match(self, expression: str) -> list[str]:
        return self.sets[expression]

    async def fault(self, token: str = TOKEN) -> str:
        with pytest.raises(ApiError) as caught:
            await self.sessions.by_token(token)
        return caught.value.code


async def test_a_login_gives_a_session() -> None:
    """Its reply has the token, and the user under all three names."""
    fixture = Fixture()
    session = await fixture.sessions.login("ann", "right", "pam")
    assert session.login_reply() == {
        "token": TOKEN,
        "start": fixture.time.now,
        "expire": fixture.time.now + 1000,
        "name": "ann",
        "user": "ann",
        "username": "ann",
        "eauth": "pam",
        "perms": ["test.ping"],
    }
    assert fixture.sessions.all() == [session]


async def test_a_wrong_password_is_refused() -> None:
    """Nothing of the attempt is stored."""
    fixture = Fixture()
    with pytest.raises(ApiError) as caught:
        await fixture.sessions.login("ann", "wrong", "pam")
    assert (caught.value.code, fixture.sessions.all()) == ("unauthenticated", [])


async def test_an_account_that_may_do_nothing_is_refused_and_its_token_revoked() -> None:
    """Salt created a token, which must not stay valid."""
    fixture = Fixture()
    fixture.salt.perms = []
    with pytest.raises(ApiError) as caught:
        await fixture.sessions.login("ann", "right", "pam")
    assert (caught.value.code, fixture.salt.revoked, fixture.sessions.all()) == ("forbidden", [TOKEN], [])


async def test_a_token_from_salt_gets_a_session() -> None:
    """It is looked up once, and then cached."""
    fixture = Fixture()
    fixture.salt.give()
    first = await fixture.sessions.by_token(TOKEN)
    assert await fixture.sessions.by_token(TOKEN) is first
    assert fixture.salt.asked == 1


async def test_two_simultaneous_requests_share_the_session() -> None:
    """A token has one session, whichever request is first."""
    fixture = Fixture()
    fixture.salt.give()
    one, other = await asyncio.gather(fixture.sessions.by_token(TOKEN), fixture.sessions.by_token(TOKEN))
    assert one is other


@pytest.mark.parametrize(("perms", "code"), [(None, "unauthenticated"), ([], "forbidden")])
async def test_other_tokens_are_refused(perms: list[Any] | None, code: str) -> None:
    """A token that Salt does not know, and one of an account without permissions."""
    fixture = Fixture()
    if perms is not None:
        fixture.salt.give(perms=perms)
    assert await fixture.fault() == code


async def test_target_sets_are_expanded_before_the_first_check() -> None:
    """A missing set would hide visible things."""
    fixture = Fixture()
    fixture.salt.give(perms=[{"web*": ["test.*"]}])
    session = await fixture.sessions.by_token(TOKEN)
    assert session.permissions.may_run("test.ping", (), "web1")


async def test_equal_permissions_are_one_object() -> None:
    """A thousand users of one group need one auth list in memory."""
    fixture = Fixture()
    fixture.salt.give()
    fixture.salt.give("b" * 64)
    one, other = await fixture.sessions.by_token(TOKEN), await fixture.sessions.by_token("b" * 64)
    assert one.permissions is other.permissions


async def test_an_expired_token_is_refused_at_once() -> None:
    """At its second, even before the next periodic check."""
    fixture = Fixture()
    fixture.salt.give(seconds=10)
    session = await fixture.sessions.by_token(TOKEN)
    fixture.time.pass_(10)
    assert await fixture.fault() == "token_expired"
    assert fixture.ended == [session]


async def test_expired_sessions_end_without_a_request() -> None:
    """At the next check, with one callback each."""
    fixture = Fixture()
    fixture.salt.give(seconds=10)
    session = await fixture.sessions.by_token(TOKEN)
    fixture.time.pass_(9)
    fixture.sessions.expire()
    assert fixture.ended == []
    fixture.time.pass_(1)
    fixture.sessions.expire()
    fixture.sessions.expire()
    assert (fixture.ended, session.ended is not None and session.ended.code) == ([session], "token_expired")


async def test_the_error_of_an_ended_session_keeps_no_frames() -> None:
    """However often it is raised: an error keeps the frames that it passed."""
    fixture = Fixture()
    fixture.salt.give(seconds=10)
    session = await fixture.sessions.by_token(TOKEN)
    fixture.time.pass_(10)
    for _ in range(2):
        with pytest.raises(ApiError) as refused:
            fixture.sessions.check(session)
        assert refused.value.code == "token_expired"
    assert session.ended is not None
    assert session.ended.__traceback__ is None


async def test_an_expired_token_is_remembered_as_expired() -> None:
    """Salt removes it and then treats it like any wrong token, but its owner must learn that a new login helps."""
    fixture = Fixture()
    fixture.salt.give(seconds=10)
    await fixture.sessions.by_token(TOKEN)
    fixture.time.pass_(10)
    fixture.sessions.expire()
    del fixture.salt.tokens[TOKEN]
    assert [await fixture.fault(), await fixture.fault(), await fixture.fault("b" * 64)] == [
        "token_expired",
        "token_expired",
        "unauthenticated",
    ]


async def test_a_token_that_expired_before_its_first_use_is_remembered_too() -> None:
    """Salt reports this once, when it removes the token."""
    fixture = Fixture()
    fixture.salt.over = True
    assert await fixture.fault() == "token_expired"
    fixture.salt.over = False
    assert await fixture.fault() == "token_expired"


async def test_only_the_latest_expired_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown clients or years must not fill the memory."""
    monkeypatch.setattr("websocket_api.core.access.sessions.MAX_EXPIRED", 2)
    fixture = Fixture()
    fixture.salt.over = True
    for letter in "abc":
        await fixture.fault(letter * 64)
    fixture.salt.over = False
    assert [await fixture.fault(letter * 64) for letter in "abc"] == [
        "unauthenticated",
        "token_expired",
        "token_expired",
    ]


@pytest.mark.parametrize("changes", [True, False])
async def test_a_recheck_reports_an_expired_token_as_expired(changes: bool) -> None:
    """Whether Salt reports it or has removed the token already."""
    fixture = Fixture()
    fixture.salt.give(seconds=10)
    session = await fixture.sessions.by_token(TOKEN)
    fixture.time.pass_(10)
    fixture.salt.over = changes
    del fixture.salt.tokens[TOKEN]
    await fixture.sessions.recheck()
    assert (fixture.ended, session.ended is not None and session.ended.code) == ([session], "token_expired")


async def test_a_revoked_token_is_found_by_the_next_recheck() -> None:
    """Somebody removed it in Salt."""
    fixture = Fixture()
    fixture.salt.give()
    session = await fixture.sessions.by_token(TOKEN)
    del fixture.salt.tokens[TOKEN]
    await fixture.sessions.recheck()
    assert (fixture.ended, session.ended is not None and session.ended.code) == ([session], "unauthenticated")


async def test_an_account_without_permissions_is_found_by_the_next_recheck() -> None:
    """An auth list that became empty ends the session."""
    fixture = Fixture()
    fixture.salt.give()
    session = await fixture.sessions.by_token(TOKEN)
    fixture.salt.tokens[TOKEN]["perms"] = []
    await fixture.sessions.recheck()
    assert (fixture.ended, session.ended is not None and session.ended.code) == ([session], "forbidden")


async def test_changed_permissions_are_applied_and_reported() -> None:
    """Listeners are called once, and only if something changed."""
    fixture = Fixture()
    fixture.salt.give()
    session = await fixture.sessions.by_token(TOKEN)
    await fixture.sessions.recheck()
    assert fixture.changed == []
    fixture.salt.tokens[TOKEN] = {**fixture.salt.tokens[TOKEN], "perms": [{"web*": ["cmd.run"]}]}
    await fixture.sessions.recheck()
    assert (fixture.changed, fixture.ended) == ([session], [])
    assert session.permissions.may_run("cmd.run", (), "web1")
    assert not session.permissions.may_run("test.ping", (), "web1")


async def test_a_prolonged_token_stays_valid() -> None:
    """Its new expiry counts."""
    fixture = Fixture()
    fixture.salt.give(seconds=10)
    session = await fixture.sessions.by_token(TOKEN)
    fixture.salt.give(seconds=1000)
    await fixture.sessions.recheck()
    fixture.time.pass_(500)
    fixture.sessions.expire()
    assert session.ended is None


async def test_a_store_that_fails_keeps_sessions() -> None:
    """An error says nothing about the token: the next check may."""
    fixture = Fixture()
    fixture.salt.give()
    session = await fixture.sessions.by_token(TOKEN)
    fixture.salt.fails = True
    await fixture.sessions.recheck()
    assert (session.ended, fixture.sessions.all()) == (None, [session])


async def test_an_error_in_one_recheck_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """Each session is checked, and the log names the check that failed and why."""
    fixture = Fixture()
    sessions = {}
    for letter in "abcdef":
        fixture.salt.give(letter * 64)
        sessions[letter] = await fixture.sessions.by_token(letter * 64)
        if letter != "a":
            sessions[letter].hold()
    fixture.time.pass_(UNUSED_SECONDS)
    await fixture.sessions.recheck()
    assert len(fixture.sessions.all()) == 6  # not unused for long enough
    fixture.time.pass_(1)
    ask, ends = fixture.salt.token, sessions["d"]

    async def token(token: str) -> dict[str, Any] | None:
        if token[0] in "bc":
            raise ApiError("token_expired" if token[0] == "b" else "master_unavailable", "the store is away")
        if token[0] == "d":
            ends.ended = ApiError("unauthenticated", "a logout came first")
        return await ask(token)

    fixture.salt.token = token  # type: ignore[method-assign]
    del fixture.salt.tokens["e" * 64]
    fixture.salt.tokens["f" * 64]["perms"] = []
    await fixture.sessions.recheck()
    ended = {letter: one.ended.code for letter, one in sessions.items() if one.ended is not None}
    assert ended == {"b": "token_expired", "d": "unauthenticated", "e": "unauthenticated", "f": "forbidden"}
    assert ends not in fixture.ended
    assert not fixture.sessions.has_session("a" * 64)
    assert fixture.sessions.has_session("c" * 64)
    assert caplog.messages == ["a token could not be checked: the store is away"]


async def test_a_session_keeps_its_user_when_permissions_change() -> None:
    """The user still owns the jobs that they started."""
    fixture = Fixture()
    fixture.salt.give()
    session = await fixture.sessions.by_token(TOKEN)
    fixture.salt.tokens[TOKEN] = {**fixture.salt.tokens[TOKEN], "perms": ["cmd.run"]}
    await fixture.sessions.recheck()
    assert (session.viewer.user, session.viewer.eauth) == ("ann", "pam")


async def test_a_logout_without_a_reply_ends_the_session_at_once() -> None:
    """The token of an ended session is refused, and the session has the reason."""
    fixture = Fixture()
    fixture.salt.give()
    session = await fixture.sessions.by_token(TOKEN)
    await fixture.sessions.revoke(session)
    assert fixture.ended == [session]
    assert (session.ended and session.ended.code, fixture.sessions.all()) == ("unauthenticated", [])
    assert await fixture.fault() == "unauthenticated"


async def test_the_user_of_a_token_is_known_while_it_has_a_session() -> None:
    """Other tokens have no known user."""
    fixture = Fixture()
    fixture.salt.give()
    await fixture.sessions.by_token(TOKEN)
    assert fixture.sessions.user_of(TOKEN) == {"eauth": "pam", "username": "ann"}
    assert fixture.sessions.user_of("b" * 64) == {}


async def test_a_logout_revokes_the_token_and_ends_its_subscriptions() -> None:
    """The token is invalid everywhere at once; connections and subscriptions end after the reply."""
    fixture = Fixture()
    fixture.salt.give()
    session = await fixture.sessions.by_token(TOKEN)
    after: list[Any] = []
    await fixture.sessions.revoke(session, after.append)
    assert fixture.salt.revoked == [TOKEN]
    assert await fixture.fault() == "unauthenticated"
    assert fixture.ended == []
    after[0]()
    assert fixture.ended == [session]


async def test_a_session_is_that_of_one_account() -> None:
    """A user of the same name in another backend is another user, and has limits of its own."""
    running = Fixture()
    for letter, eauth in (("a", "pam"), ("b", "pam"), ("c", "ldap")):
        running.salt.give(letter * 64)
        running.salt.tokens[letter * 64]["eauth"] = eauth
    one, same, other = [await running.sessions.by_token(letter * 64) for letter in "abc"]
    assert [(session.viewer.user, session.viewer.eauth) for session in (one, other)] == [
        ("ann", "pam"),
        ("ann", "ldap"),
    ]
    assert one.holdings is same.holdings
    assert one.holdings is not other.holdings


async def test_a_login_that_is_not_used_yet_stays() -> None:
    """The first check comes before the first request."""
    running = Fixture()
    session = await running.sessions.login("ann", "right", "pam")
    await running.sessions.recheck()
    assert running.sessions.all() == [session]


async def test_an_unused_session_is_dropped() -> None:
    """A token that was sent once is not checked forever; one in use is."""
    fixture = Fixture()
    fixture.salt.give()
    fixture.salt.give("b" * 64)
    held, used = await fixture.sessions.by_token(TOKEN), await fixture.sessions.by_token("b" * 64)
    held.hold()
    fixture.time.pass_(UNUSED_SECONDS + 1)
    await fixture.sessions.recheck()
    assert fixture.sessions.all() == [held]
    assert used.ended is None


# What rests on a session


async def test_an_ended_session_ends_its_subscriptions_and_its_connection() -> None:
    """Subscriptions send the reason first; then the connection is closed with 4401."""
    fixture, client = Fixture(), Client()
    fixture.salt.give()
    session = await fixture.sessions.by_token(TOKEN)
    client.connection.set_session(session)
    stopped: list[int] = []
    client.connection.add(Sub(1, session, stopped, client))
    session.ended = ApiError("token_expired", "over")
    client.connection.end_session(session)
    assert client.got == [{"ended": 1, "why": "token_expired"}]
    assert (stopped, [code for code, _ in client.closed_with]) == ([1], [4401])


async def test_a_subscription_of_another_token_ends_alone() -> None:
    """The connection belongs to another user, and stays open."""
    fixture, client = Fixture(), Client()
    fixture.salt.give()
    fixture.salt.give("b" * 64)
    own, other = await fixture.sessions.by_token(TOKEN), await fixture.sessions.by_token("b" * 64)
    client.connection.set_session(own)
    stopped: list[int] = []
    client.connection.add(Sub(1, own, stopped))
    client.connection.add(Sub(2, other, stopped, client))
    other.ended = ApiError("unauthenticated", "revoked")
    client.connection.end_session(other)
    assert (stopped, client.closed_with, list(client.connection.subscriptions)) == ([2], [], [1])
    assert client.got == [{"ended": 2, "why": "unauthenticated"}]


async def test_a_new_login_of_the_same_user_extends_the_subscriptions() -> None:
    """They follow the new token, and no longer end with the old one. Those of another user keep their own."""
    running, client = Fixture(), Client()
    for letter in "abc":
        running.salt.give(letter * 64)
    old, new, other = [await running.sessions.by_token(letter * 64) for letter in "abc"]
    other.user = "bob"
    client.connection.set_session(old)
    for number, session in ((1, old), (2, other)):
        client.connection.add(Sub(number, session, []))
    client.connection.set_session(new)
    assert [sub.session for sub in client.connection.subscriptions.values()] == [new, other]
    assert (old.held, new.held, other.held) == (0, 2, 1)
    client.connection.set_session(other)
    assert [sub.session for sub in client.connection.subscriptions.values()] == [new, other]


async def test_all_holds_are_released_when_a_connection_closes() -> None:
    """Also those of logins and subscriptions that complete after the close."""
    fixture, client = Fixture(), Client()
    fixture.salt.give()
    session = await fixture.sessions.by_token(TOKEN)
    client.connection.set_session(session)
    client.connection.set_session(session)
    client.connection.add(Sub(1, session, []))
    assert session.held == 2
    client.connection.release()
    client.connection.set_session(session)
    client.connection.add(Sub(2, session, []))
    assert session.held == 0


class Sub:
    """A subscription that does nothing."""

    def __init__(self, number: int, session: Session, stopped: list[int], client: Client | None = None) -> None:
        self.client = client
        self.number = number
        self.session = session
        self.stopped = stopped

    def regroup(self) -> None:
        """See the same."""

    def stop(self) -> None:
        self.stopped.append(self.number)

    def send_ended(self, why: ApiError) -> None:
        if self.client is not None:
            self.client.connection.send({"ended": self.number, "why": why.code})

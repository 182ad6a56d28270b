"""The conversation with an engine, without I/O: what is sent, what is sent again, and what never is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from salt_live.error_codes import (
    BadMessage,
    MasterUnavailable,
    NoMinions,
    TokenExpired,
    TooLarge,
    TooMany,
    Unauthenticated,
)
from salt_live.errors import ApiError, ConnectionFailed, LoginFailed, Unknown
from salt_live.models import Event, Gap, Position
from salt_live.requests import READS
from salt_live.session import Credentials, Session, State
from salt_live.streams import EventStream
from salt_live.streams_of_changes import JobStream

TOKEN = "a" * 32
HERE = Position("one", 2)
NOW = 1_400_000_000.0


class Engine:
    """The other end of a session: it takes messages and answers them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.epoch = "one"
        self.seq = 0

    def sent(self) -> list[dict[str, Any]]:
        """Return the messages of the session since the last call."""
        return [json.loads(text) for text in self.session.take_output()]

    def answer(self, message: dict[str, Any], result: Any) -> None:
        self.session.receive(json.dumps({"id": message["id"], "type": "result", "result": result}))

    def refuse(self, message: dict[str, Any], code: str, **more: Any) -> None:
        error = {"code": code, "message": "no", "details": None, "retryable": False, **more}
        self.session.receive(json.dumps({"id": message["id"], "type": "error", "error": error}))

    def connect(self, address: str = "ws://one/ws") -> list[dict[str, Any]]:
        """Connect, log in, and return the messages that follow the login."""
        self.session.connected(address)
        (auth,) = self.sent()
        assert auth["type"] == "auth"
        self.answer(auth, {"token": TOKEN, "user": "ann"})
        return self.sent()

    def subscribed(self, message: dict[str, Any], number: int = 1, **more: Any) -> None:
        """Confirm a subscription."""
        assert message["type"] == "subscribe"
        result = {"subscription": number, "epoch": self.epoch, "seq": self.seq, "recovered": None, **more}
        self.answer(message, result)

    def frame(self, type: str, number: int = 1, **fields: Any) -> None:
        self.session.receive(json.dumps({"type": type, "subscription": number, **fields}))

    def events(self, *numbers: int) -> None:
        self.frame("events", events=[{"seq": number, "tag": f"t/{number}", "data": {}} for number in numbers])


@pytest.fixture
def session() -> Session:
    return Session(Credentials("ann", "secret"), clock=lambda: NOW)


@pytest.fixture
def engine(session: Session) -> Engine:
    return Engine(session)


def read(stream: EventStream) -> list[Any]:
    """Return the numbers of events, and the gaps."""
    found = []
    while (item := stream.pop()) is not None:
        found.append(item.seq if isinstance(item, Event) else item)
    return found


# Login


def test_the_first_login_uses_the_password_and_later_ones_the_token(session: Session, engine: Engine) -> None:
    """So the password crosses the network as seldom as it can."""
    session.connected("ws://one/ws")
    (auth,) = engine.sent()
    assert auth == {"type": "auth", "id": auth["id"], "username": "ann", "password": "secret"}
    engine.answer(auth, {"token": TOKEN})
    assert session.state is State.OPEN
    session.disconnected()
    session.connected("ws://one/ws")
    (auth,) = engine.sent()
    assert auth == {"type": "auth", "id": auth["id"], "token": TOKEN}


@pytest.mark.parametrize("code", ["unauthenticated", "token_expired"])
def test_an_ended_token_is_renewed_with_the_password(session: Session, engine: Engine, code: str) -> None:
    """On the same connection."""
    engine.connect()
    session.disconnected()
    session.connected("ws://one/ws")
    (auth,) = engine.sent()
    engine.refuse(auth, code)
    (auth,) = engine.sent()
    assert auth["password"] == "secret"
    assert session.state is State.CONNECTING


@pytest.mark.parametrize(("code", "kind"), [("unauthenticated", Unauthenticated), ("token_expired", TokenExpired)])
def test_a_refused_login_ends_all_attempts(session: Session, engine: Engine, code: str, kind: type[ApiError]) -> None:
    """Every request gets the failure, with the engine's error."""
    number = session.request({"type": "whoami"})
    session.connected("ws://one/ws")
    (auth,) = engine.sent()
    engine.refuse(auth, code)
    (reply,) = session.requests.take_replies()
    assert reply.number == number
    assert isinstance(reply.error, LoginFailed)
    assert isinstance(reply.error.error, kind)
    assert session.refused


def test_a_login_that_is_refused_for_now_is_tried_again(session: Session, engine: Engine) -> None:
    """The master may not answer yet."""
    session.connected("ws://one/ws")
    (auth,) = engine.sent()
    engine.refuse(auth, "master_unavailable", retryable=True)
    assert isinstance(session.failure, LoginFailed)
    assert not session.refused


def test_a_connection_that_ends_with_its_token_logs_in_again_if_it_may(session: Session, engine: Engine) -> None:
    """With a password."""
    engine.connect()
    session.disconnected(4401, "token expired")
    assert session.state is State.WAITING
    session.connected("ws://one/ws")
    assert engine.sent()[0]["password"] == "secret"


def test_a_connection_that_ends_with_its_token_is_over_without_a_password() -> None:
    """The user must log in."""
    session = Session(Credentials(token=TOKEN))
    Engine(session).connect()
    session.disconnected(4401)
    assert isinstance(session.failure, LoginFailed)


def test_a_token_of_one_master_is_not_over_if_another_one_refuses_it() -> None:
    """Masters may have no common tokens: the master that accepted it comes back."""
    session = Session(Credentials(token=TOKEN), addresses=2)
    engine = Engine(session)
    engine.connect("ws://one/ws")
    for _ in range(3):
        session.disconnected()
        session.connected("ws://two/ws")
        engine.refuse(engine.sent()[0], "unauthenticated")
        assert str(session.failure) == "cannot log in at ws://two/ws: no"
        assert not session.refused
    session.disconnected()
    engine.connect("ws://one/ws")
    assert session.state is State.OPEN
    session.disconnected()
    session.connected("ws://one/ws")
    engine.refuse(engine.sent()[0], "token_expired")
    assert session.refused


def test_a_token_that_all_masters_refuse_ends_all_attempts() -> None:
    """Each address may be the one that knows it."""
    session = Session(Credentials(token=TOKEN), addresses=2)
    for address, over in (("ws://one/ws", False), ("ws://two/ws", True)):
        session.connected(address)
        Engine(session).refuse(json.loads(session.take_output()[0]), "unauthenticated")
        assert session.refused is over
        session.disconnected()


@pytest.mark.parametrize("code", [1002, 1007, 4400, 4403, 4406])
def test_final_close_codes_end_all_attempts(session: Session, engine: Engine, code: int) -> None:
    """The next attempt would end the same way."""
    engine.connect()
    session.disconnected(code)
    assert session.refused
    assert session.failure is not None
    assert session.failure.code == code


@pytest.mark.parametrize("code", [1006, 1009, 1011, 1012, 4408, 4410, 4429])
def test_other_close_codes_lead_to_another_attempt(session: Session, engine: Engine, code: int) -> None:
    """With the same login."""
    engine.connect()
    session.disconnected(code)
    assert session.state is State.WAITING


# Requests


@pytest.mark.parametrize("operation", sorted(READS))
def test_requests_that_read_are_sent_again(session: Session, engine: Engine, operation: str) -> None:
    """With the same number, so that their caller gets the reply."""
    engine.connect()
    session.request({"type": operation})
    sent = engine.sent()
    session.disconnected()
    assert session.requests.take_replies() == []
    assert engine.connect() == sent


@pytest.mark.parametrize(
    "operation",
    ["cmd", "runner", "wheel", "batch", "cancel", "cancel_batch", "pause_batch", "event", "hook", "logout"],
)
def test_commands_are_never_sent_twice(session: Session, engine: Engine, operation: str) -> None:
    """Their outcome is unknown. The token of the message is not in the error."""
    engine.connect()
    session.request({"type": operation, "fun": "test.ping", "token": TOKEN})
    assert len(engine.sent()) == 1
    session.disconnected()
    (reply,) = session.requests.take_replies()
    assert isinstance(reply.error, Unknown)
    assert reply.error.request == {"type": operation, "fun": "test.ping"}
    assert reply.error.sent_at == NOW
    assert engine.connect() == []


def test_every_operation_is_a_read_or_sent_once() -> None:
    """A new operation must take its place here."""
    folder = Path(__file__).resolve().parents[3] / "schemas" / "operations"
    once = {"auth", "logout", "cmd", "runner", "wheel", "cancel", "event", "hook", "subscribe"}
    once |= {"batch", "cancel_batch", "pause_batch", "resume_batch"}
    assert {path.stem for path in folder.glob("*.json")} == READS | once | {"unsubscribe", "get_event"}


def test_a_command_that_was_not_sent_yet_is_sent_once_when_connected(session: Session, engine: Engine) -> None:
    """Waiting does not make its outcome unknown."""
    session.request({"type": "cmd"})
    assert [message["type"] for message in engine.connect()] == ["cmd"]
    assert session.requests.take_replies() == []


def test_a_forgotten_request_is_not_sent(session: Session, engine: Engine) -> None:
    """Its caller was canceled."""
    session.requests.forget(session.request({"type": "cmd"}))
    assert engine.connect() == []


def test_an_error_is_the_exception_of_its_code(session: Session, engine: Engine) -> None:
    """With its details, and with what the reply itself says about a retry."""
    engine.connect()
    for code, more in (
        ("no_minions", {}),
        ("too_many", {"details": {"retry_after": 3}, "retryable": True}),
        ("new", {}),
    ):
        session.request({"type": "whoami"})
        engine.refuse(engine.sent()[0], code, **more)
    errors = [reply.error for reply in session.requests.take_replies()]
    assert [type(error) for error in errors] == [NoMinions, TooMany, ApiError]
    assert [error.code for error in errors if isinstance(error, ApiError)] == ["no_minions", "too_many", "new"]
    assert [error.retry_after for error in errors if isinstance(error, ApiError)] == [None, 3.0, None]
    assert [error.retryable for error in errors if isinstance(error, ApiError)] == [False, True, False]
    assert MasterUnavailable("").retryable


def test_a_request_that_is_too_large_is_refused_and_not_sent_again(session: Session, engine: Engine) -> None:
    """The engine closes the connection for it; the others are treated as after any loss."""
    engine.connect()
    large = session.request({"type": "match", "tgt": "x" * 1000})
    small = session.request({"type": "whoami"})
    engine.sent()
    session.disconnected(1009)
    (reply,) = session.requests.take_replies()
    assert reply.number == large
    assert isinstance(reply.error, TooLarge)
    assert [message["id"] for message in engine.connect()] == [small]


def test_a_reply_to_nobody_is_ignored(session: Session, engine: Engine) -> None:
    """Such as that to a canceled request."""
    engine.connect()
    number = session.request({"type": "whoami"})
    (message,) = engine.sent()
    session.requests.forget(number)
    engine.answer(message, {})
    assert session.requests.take_replies() == []


# Events


def followed(session: Session, engine: Engine, **options: Any) -> EventStream:
    """Return a stream that the engine has confirmed."""
    engine.connect()
    stream = EventStream({}, **options)
    session.add(stream)
    engine.subscribed(engine.sent()[0])
    return stream


def test_a_stream_resumes_at_its_last_event(session: Session, engine: Engine) -> None:
    """After the engine has named its run; what is replayed twice is delivered once."""
    stream = followed(session, engine)
    engine.events(1, 2, 3)
    session.disconnected()
    (ping,) = engine.connect()
    assert ping["type"] == "ping"
    engine.answer(ping, {"epoch": "one"})
    (message,) = engine.sent()
    assert message["since"] == {"epoch": "one", "seq": 3}
    engine.subscribed(message, 7, seq=5, recovered=True)
    engine.frame("events", 7, events=[{"seq": seq, "tag": "t", "data": {}} for seq in (3, 4, 5)])
    assert read(stream) == [1, 2, 3, 4, 5]


def test_a_bookmark_moves_the_position(session: Session, engine: Engine) -> None:
    """A quiet stream resumes near the present."""
    stream = followed(session, engine)
    engine.frame("bookmark", epoch="one", seq=90)
    assert stream.position == Position("one", 90)
    assert read(stream) == []


def test_a_restarted_engine_is_a_gap_from_the_last_event_to_its_start(session: Session, engine: Engine) -> None:
    """The stream continues with the first event of the new run, so that only those between the runs are missing."""
    stream = followed(session, engine)
    engine.events(1, 2)
    session.disconnected()
    (ping,) = engine.connect()
    engine.answer(ping, {"epoch": "two"})
    (message,) = engine.sent()
    assert message["since"] == {"epoch": "two", "seq": 0}
    engine.epoch = "two"
    engine.subscribed(message, 1, seq=2, recovered=True)
    engine.events(1, 2)
    assert read(stream) == [1, 2, Gap("epoch", Position("one", 2), Position("two", 0), None), 1, 2]


def test_another_engine_is_a_gap_up_to_the_present(session: Session, engine: Engine) -> None:
    """Another address may have old events: they are not delivered as if they were new."""
    stream = followed(session, engine)
    engine.events(1, 2)
    session.disconnected()
    (ping,) = engine.connect("ws://two/ws")
    engine.answer(ping, {"epoch": "two"})
    (message,) = engine.sent()
    engine.epoch, engine.seq = "two", 50
    engine.subscribed(message, 1, recovered=False)
    engine.frame("gap", reason="epoch", count=None, oldest=1, **{"from": None, "to": None})
    engine.events(51)
    assert read(stream) == [1, 2, Gap("epoch", Position("one", 2), Position("two", 50), None), 51]


@pytest.mark.parametrize(
    ("frame", "gap", "position"),
    [
        (
            {"reason": "history", "count": 5, "from": 3, "to": 7},
            Gap("history", Position("one", 2), Position("one", 7), 5),
            7,
        ),
        (
            {"reason": "bus", "count": None, "from": None, "to": None},
            Gap("bus", Position("one", 2), Position("one", 2), None),
            2,
        ),
        (
            {"reason": "restart", "count": None, "from": 3, "to": 900, "from_time": "a", "to_time": "b"},
            Gap("restart", Position("one", 2), Position("one", 900), None, "a", "b"),
            900,
        ),
    ],
)
def test_a_gap_names_the_missing_range(
    session: Session, engine: Engine, frame: dict[str, Any], gap: Gap, position: int
) -> None:
    """And the stream resumes after it."""
    stream = followed(session, engine)
    engine.events(1, 2)
    engine.frame("gap", oldest=8, **frame)
    assert read(stream) == [1, 2, gap]
    assert stream.position == Position("one", position)
    assert str(gap).endswith(f"({frame['reason']})")


@pytest.mark.parametrize("limits", [{"max_events": 10}, {"max_bytes": 400}])
def test_a_slow_reader_pauses_the_subscription_and_misses_nothing(
    session: Session, engine: Engine, limits: dict[str, int]
) -> None:
    """At the limit it is ended at the engine, and resumed when half is read: memory is bounded, the history bridges."""
    stream = followed(session, engine, **limits)
    engine.events(*range(1, 11))
    (message,) = engine.sent()
    assert message["type"] == "unsubscribe"
    engine.events(11)  # was on its way
    assert len(stream) == 10
    assert stream.pauses == 1
    for expected in range(1, 5):
        item = stream.pop()
        session.read(stream)
        assert isinstance(item, Event)
        assert item.seq == expected
        assert engine.sent() == []
    assert stream.pop() is not None
    while not (messages := engine.sent()):
        session.read(stream)
        assert messages or stream.drained or stream.pop()
    assert messages[0]["since"] == {"epoch": "one", "seq": 10}
    engine.subscribed(messages[0], 2, seq=11, recovered=True)
    engine.frame("event", 2, seq=11, tag="t", data={})
    assert read(stream)[-1] == 11


def test_a_paused_stream_waits_for_its_reader_after_a_reconnection(session: Session, engine: Engine) -> None:
    """Its position moves to the new run all the same."""
    stream = followed(session, engine, max_events=2)
    engine.events(1, 2)
    engine.sent()
    session.disconnected()
    (ping,) = engine.connect()
    engine.answer(ping, {"epoch": "two"})
    assert engine.sent() == []
    assert read(stream) == [1, 2, Gap("epoch", Position("one", 2), Position("two", 0), None)]
    session.read(stream)
    assert engine.sent()[0]["since"] == {"epoch": "two", "seq": 0}


def test_a_stream_that_the_engine_ends_tells_why(session: Session, engine: Engine) -> None:
    """What arrived before can still be read."""
    stream = followed(session, engine)
    engine.events(1)
    engine.frame("ended", error={"code": "forbidden", "message": "no", "details": None, "retryable": False})
    assert read(stream) == [1]
    assert isinstance(stream.error, ApiError)
    assert session.subscriptions.take_changed() == [stream]


def test_a_stream_that_ends_with_the_login_continues_with_the_next_one(session: Session, engine: Engine) -> None:
    """At its position."""
    stream = followed(session, engine)
    engine.events(1)
    engine.frame("ended", error={"code": "token_expired", "message": "no", "details": None, "retryable": False})
    session.disconnected(4401)
    (ping,) = engine.connect()
    engine.answer(ping, {"epoch": "one"})
    assert engine.sent()[0]["since"] == {"epoch": "one", "seq": 1}
    assert stream.error is None


def test_a_subscription_that_is_refused_for_now_is_requested_again(session: Session, engine: Engine) -> None:
    """A refusal for good ends it."""
    engine.connect()
    stream = EventStream({})
    session.add(stream)
    engine.refuse(engine.sent()[0], "too_many", retryable=True)
    assert session.subscriptions.take_retries() == [stream]
    session.resubscribe(stream)
    engine.refuse(engine.sent()[0], "forbidden")
    assert isinstance(stream.error, ApiError)
    session.resubscribe(stream)
    assert engine.sent() == []


def test_an_older_engine_is_asked_without_what_only_saves_work(session: Session, engine: Engine) -> None:
    """It refuses `bundle`, then the subscription works; another fault still ends it."""
    engine.connect()
    stream = EventStream({"tag": "a"})
    session.add(stream)
    (first,) = engine.sent()
    assert first["bundle"] is True
    engine.refuse(first, "bad_message")
    (second,) = engine.sent()
    assert {name: value for name, value in first.items() if name not in ("bundle", "id")} == {
        name: value for name, value in second.items() if name != "id"
    }
    engine.subscribed(second)
    assert stream.confirmed
    session.disconnected()
    engine.answer(engine.connect()[0], {"epoch": "one"})
    (third,) = engine.sent()
    assert "bundle" not in third
    engine.refuse(third, "bad_message")
    assert isinstance(stream.error, BadMessage)


def test_an_older_engine_is_asked_for_a_job_with_its_whole_target(session: Session, engine: Engine) -> None:
    """It refuses `short_targets`; other fields that it knows stay."""
    engine.connect()
    session.add(JobStream("1", without_return=True, short_targets=True))
    (first,) = engine.sent()
    assert (first["without_return"], first["short_targets"]) == (True, True)
    engine.refuse(first, "bad_message")
    (second,) = engine.sent()
    assert (second["without_return"], "short_targets" in second) == (True, False)


def test_a_stream_that_was_closed_before_its_confirmation_is_ended(session: Session, engine: Engine) -> None:
    """Otherwise the engine would send frames that nobody reads."""
    engine.connect()
    stream = EventStream({})
    session.add(stream)
    session.subscriptions.remove(stream)
    engine.subscribed(engine.sent()[0], 9)
    (message,) = engine.sent()
    assert (message["type"], message["subscription"]) == ("unsubscribe", 9)


def test_a_client_that_is_refused_ends_its_streams(session: Session, engine: Engine) -> None:
    """With the failure."""
    stream = followed(session, engine)
    session.disconnected(4403)
    assert isinstance(stream.error, ConnectionFailed)
    assert session.subscriptions.take_changed() == [stream]


# Jobs

PLACE = {"epoch": "changes", "seq": 7, "view": "v"}
PART = {"retcode": None, "success": None, "progress": 0, "message": None}
DONE = {**PART, "state": "returned", "retcode": 0, "success": True, "progress": 100, "return": True}


def test_a_job_is_shown_when_its_snapshot_is_complete_then_its_changes(session: Session, engine: Engine) -> None:
    """After a reconnection, what the reader already has is left out. A slow reader gets the last state, once."""
    engine.connect()
    stream = JobStream("1")
    session.add(stream)
    engine.subscribed(engine.sent()[0])
    engine.frame("job", job={"state": "running"}, minions={"a": {**PART, "state": "pending"}, "b": DONE})
    assert stream.pop() is None
    engine.frame("live", seq=1)
    progress = stream.pop()
    assert progress is not None
    assert set(progress.minions) == {"a", "b"}
    assert stream.pop() is None
    session.disconnected()
    (message,) = engine.connect()
    engine.subscribed(message, 2)
    engine.frame("job", 2, job={"state": "running"}, minions={"a": {**PART, "state": "running"}, "b": DONE})
    engine.frame("job", 2, job={"state": "complete"}, minions={"a": DONE})
    engine.frame("live", 2, seq=5)
    progress = stream.pop()
    assert progress is not None
    assert progress.minions == {"a": DONE}
    assert progress.ended


def test_a_job_resumes_at_its_last_position(session: Session, engine: Engine) -> None:
    """Only what changed comes. An incomplete snapshot has no position, and an older engine refuses one."""
    engine.connect()
    stream = JobStream("1")
    session.add(stream)
    engine.subscribed(engine.sent()[0])
    engine.frame("job", job={"state": "running"}, minions={"a": {**PART, "state": "pending"}, "b": DONE})
    session.disconnected()
    (message,) = engine.connect()
    assert "since" not in message
    engine.subscribed(message)
    engine.frame("job", job={"state": "running"}, minions={"a": {**PART, "state": "pending"}, "b": DONE})
    engine.frame("live", seq=1, position={**PLACE, "seq": 6})
    engine.frame("bookmark", epoch="one", seq=2, position=PLACE)
    assert stream.pop() is not None
    session.disconnected()
    (message,) = engine.connect()
    assert message["since"] == PLACE
    engine.subscribed(message, 2, recovered=True)
    engine.frame("job", 2, job={"state": "complete"}, minions={"a": DONE})
    engine.frame("live", 2, seq=5)
    progress = stream.pop()
    assert progress is not None
    assert progress.minions == {"a": DONE}
    session.disconnected()
    (message,) = engine.connect()
    engine.refuse(message, "bad_message")
    (message,) = engine.sent()
    assert "since" not in message

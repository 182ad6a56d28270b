"""Lows: the operations that they run, and the shape of their answers."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.errors import ApiError
from websocket_api.protocols.salt_api.job_formats import job_info, job_list
from websocket_api.protocols.salt_api.logins import LowLogins
from websocket_api.protocols.salt_api.low_fields import batch_size, with_path_fields
from websocket_api.protocols.salt_api.lowstate import CLIENTS, run

JID = "20141103073312975821"
TOKEN = "a" * 64


def part(state: str, value: Any = None, retcode: int | None = None) -> dict[str, Any]:
    return {"state": state, "return": value, "retcode": retcode, "success": state == "returned"}


class Engine:
    """Answers operations, and records them."""

    def __init__(self, minions: tuple[str, ...] = ("m1", "m2", "m3")) -> None:
        self.minions = minions
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.silent: set[str] = set()
        self.failing: dict[str, int] = {}
        self.out: dict[str, Any] = {}
        self.fault: ApiError | None = None

    async def ask(self, operation: str, **fields: Any) -> Any:
        self.asked.append((operation, fields))
        if self.fault is not None:
            raise self.fault
        if operation == "match":
            return list(self.minions)
        if operation == "whoami":
            return {"user": "ann"}
        if operation == "cmd" and fields["mode"] == "sync":
            named = fields["tgt"] if isinstance(fields["tgt"], list) else self.minions
            return {
                "jid": JID,
                "minions": {
                    one: part("missing")
                    if one in self.silent
                    else {**part("returned", False, self.failing.get(one, 0)), **self.out}
                    for one in named
                },
            }
        started = {"jid": JID, "tag": f"salt/run/{JID}"}
        return {**started, "return": 42, "success": True} if fields.get("mode") == "sync" else started

    async def low(self, **low: Any) -> list[Any]:
        return await run(low, self.ask, CLIENTS)


@pytest.mark.parametrize(
    ("low", "fields"),
    [
        ({"tgt": "*"}, {"tgt": "*", "tgt_type": "glob"}),
        ({"tgt": "a,b", "tgt_type": "list"}, {"tgt": ["a", "b"], "tgt_type": "list"}),
        ({"tgt": ["a"]}, {"tgt": ["a"], "tgt_type": "list"}),
        ({"tgt": ["G@os:*"], "tgt_type": "compound"}, {"tgt": ["G@os:*"], "tgt_type": "compound"}),
        ({"tgt": ["a", "b"], "tgt_type": "grain"}, {"tgt": ["a", "b"], "tgt_type": "grain"}),
        ({"tgt": "os:*", "expr_form": "grain"}, {"tgt": "os:*", "tgt_type": "grain"}),
        ({"tgt": "os:*", "expr_form": "grain", "tgt_type": "grain"}, {"tgt": "os:*", "tgt_type": "grain"}),
        ({"tgt": "*", "arg": "x", "kwarg": {"a": 1}}, {"arg": ["x"], "kwarg": {"a": 1}}),
        ({"tgt": "*", "arg": ["x", {"__kwarg__": True, "a": 1}]}, {"arg": ["x"], "kwarg": {"a": 1}}),
        (
            {"tgt": "*", "arg": {"__kwarg__": True, "a": 1, "b": 1}, "kwarg": {"a": 2}},
            {"arg": [], "kwarg": {"a": 2, "b": 1}},
        ),
        ({"tgt": "*", "kwarg": {"__kwarg__": True, "a": 1}}, {"arg": [], "kwarg": {"a": 1}}),
        ({"tgt": "*", "arg": [{"__kwarg__": 1}]}, {"arg": [{"__kwarg__": 1}], "kwarg": {}}),
        ({"tgt": "*", "metadata": {"t": 1}, "delimiter": "|"}, {"metadata": {"t": 1}, "delimiter": "|"}),
        ({"tgt": "*", "ret": ["redis", "syslog"]}, {"ret": "redis,syslog"}),
        ({"tgt": "*", "state_events": True}, {"progress": True}),
    ],
)
async def test_a_low_for_minions_is_a_cmd(low: dict[str, Any], fields: dict[str, Any]) -> None:
    """The fields of old and new clients are accepted."""
    engine = Engine()
    assert await engine.low(client="local_async", fun="test.ping", **low) == [{"jid": JID, "tag": f"salt/run/{JID}"}]
    ((operation, sent),) = engine.asked
    assert (operation, sent["mode"], sent["parse"]) == ("cmd", "async", True)
    assert fields.items() <= sent.items()


ON_ONE = {"client": "local_async", "tgt": "m1", "tgt_type": "glob"}


@pytest.mark.parametrize("low", [{}, {"client": "local"}, {"client": "local_async"}, {"tgt": "m1"}, {"tgt_type": ""}])
def test_a_low_may_omit_the_fields_of_its_path(low: dict[str, Any]) -> None:
    """It may also repeat them with the same values."""
    assert with_path_fields(low, ON_ONE) == ON_ONE


@pytest.mark.parametrize("low", [{"client": "runner"}, {"client": "local_batch"}, {"tgt": "*"}, {"tgt_type": "pcre"}])
def test_a_low_that_contradicts_its_path_is_refused(low: dict[str, Any]) -> None:
    """Neither value is dropped silently."""
    with pytest.raises(ApiError) as refused:
        with_path_fields(low, ON_ONE)
    (name,) = low
    assert refused.value.details == [{"path": f"/{name}", "message": "differs from what the path says"}]


async def test_a_silent_minion_does_not_look_like_a_return_of_false() -> None:
    """It gets Salt's own sentence, which clients know."""
    engine = Engine()
    engine.silent = {"m2"}
    (answer,) = await engine.low(client="local", tgt="*", fun="test.false")
    assert (answer["m1"], answer["m3"]) == (False, False)
    assert answer["m2"].startswith("Minion did not return. [No response]")
    assert answer["m2"].endswith(f"salt-run jobs.lookup_jid {JID}")
    (full,) = await engine.low(client="local", tgt="*", fun="test.false", full_return=True)
    assert full["m2"] == {"out": "no_return", "ret": answer["m2"], "retcode": 1}


async def test_a_full_return_has_retcode_and_jid() -> None:
    """Each minion has its own."""
    engine = Engine(("m1",))
    answer = await engine.low(client="local", tgt="*", fun="test.false", full_return=True)
    assert answer == [{"m1": {"ret": False, "retcode": 0, "jid": JID}}]


async def test_a_full_return_names_the_outputter() -> None:
    """It does if the minion does: pepper chooses by it how to print states."""
    engine = Engine(("m1",))
    engine.out = {"out": "highstate"}
    for client in ("local", "local_subset"):
        answer = await engine.low(client=client, tgt="*", fun="state.apply", full_return=True)
        assert answer == [{"m1": {"ret": False, "retcode": 0, "jid": JID, "out": "highstate"}}]
    assert await engine.low(client="local", tgt="*", fun="state.apply") == [{"m1": False}]


async def test_sub_and_subset_that_differ_are_refused() -> None:
    """Neither is dropped silently; equal ones and an empty one are fine."""
    with pytest.raises(ApiError, match="sub and subset differ"):
        await Engine().low(client="local_subset", tgt="*", fun="test.ping", sub=1, subset=2)
    for fields in ({"sub": 1, "subset": "1"}, {"sub": "", "subset": 1}, {"sub": 1, "subset": None}):
        (answer,) = await Engine().low(client="local_subset", tgt="*", fun="test.ping", **fields)
        assert len(answer) == 1


@pytest.mark.parametrize("client", ["local", "local_async", "local_subset"])
async def test_a_target_without_minions_returns_an_empty_object(client: str) -> None:
    """These clients expect no error."""
    engine = Engine()
    engine.fault = ApiError("no_minions", "nobody")
    assert await engine.low(client=client, tgt="x", fun="test.ping") == [{}]


@pytest.mark.parametrize(
    ("batch", "sizes"),
    [("2", [2, 1]), (3, [3]), ("34%", [1, 1, 1]), ("100%", [3]), (None, [1, 1, 1]), ("67.5%", [2, 1])],
)
async def test_a_batch_runs_on_some_minions_at_a_time_and_answers_for_each(batch: Any, sizes: list[int]) -> None:
    """The size is a number or a percentage, and a tenth by default, as in Salt's client."""
    engine = Engine()
    low = {} if batch is None else {"batch": batch}
    answers = await engine.low(client="local_batch", tgt="*", fun="test.ping", **low)
    assert answers == [{"m1": False}, {"m2": False}, {"m3": False}]
    assert [len(fields["tgt"]) for operation, fields in engine.asked if operation == "cmd"] == sizes


@pytest.mark.parametrize(
    ("failhard", "failing", "silent", "ran"),
    [
        (True, {"m1": 1}, set(), ["m1"]),
        ("true", {"m2": 2}, set(), ["m1", "m2"]),
        (True, {"m3": 1}, set(), ["m1", "m2", "m3"]),
        (True, {}, {"m1"}, ["m1", "m2", "m3"]),
        (False, {"m1": 1}, set(), ["m1", "m2", "m3"]),
        ("false", {"m1": 1}, set(), ["m1", "m2", "m3"]),
        (None, {"m1": 1}, set(), ["m1", "m2", "m3"]),
    ],
)
async def test_a_batch_with_failhard_ends_after_the_first_failure(
    failhard: Any, failing: dict[str, int], silent: set[str], ran: list[str]
) -> None:
    """The return code counts, as in Salt; a silent minion has none. The failed return is in the answer."""
    engine = Engine()
    engine.failing, engine.silent = failing, silent
    answers = await engine.low(client="local_batch", tgt="*", fun="x.y", batch=1, failhard=failhard)
    assert [name for operation, fields in engine.asked if operation == "cmd" for name in fields["tgt"]] == ran
    assert answers == [{name: False} for name in ran if name not in silent]


@pytest.mark.parametrize(
    ("stated", "total", "size"),
    [("50%", 4, 2), ("99%", 4, 3), ("10%", 4, 1), ("0%", 4, 1), ("100%", 4, 4), ("3", 9, 3), (2, 9, 2), (0, 9, 1)],
)
def test_a_batch_size_is_a_number_or_a_percentage(stated: Any, total: int, size: int) -> None:
    """At least one, so that it goes on; a part of a minion is left out, as in Salt."""
    assert batch_size(stated, total) == size


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("batch", "x%", "must be a number or a percentage"),
        ("batch_wait", "x", "must be a number"),
        ("failhard", "perhaps", "must be true or false"),
    ],
)
async def test_a_fault_names_its_field(field: str, value: str, message: str) -> None:
    """By its path, for forms, and in the sentence, for people."""
    with pytest.raises(ApiError) as refused:
        await Engine().low(client="local_batch", fun="test.ping", tgt="*", **{field: value})
    assert (refused.value.code, refused.value.message) == ("bad_message", f"{field} {message}")
    assert refused.value.details == [{"path": f"/{field}", "message": message}]


@pytest.mark.parametrize("client", ["local", "local_async", "local_subset", "local_batch"])
async def test_an_empty_field_counts_as_missing(client: str) -> None:
    """pepper sends an empty `batch` with every command."""
    engine = Engine()
    assert await engine.low(client=client, tgt="*", fun="test.ping", batch=None, failhard=False, subset="")


@pytest.mark.parametrize(
    ("timeout", "waits"),
    [
        (None, 3600),
        ("", 3600),
        (0, 3600),
        ("0", 3600),
        (1e7, 3600),
        ("inf", 3600),
        (5, 5),
        ("2.5", 2.5),
        (0.2, 1),
        (-1, None),
        ("-0.5", None),
        ("nan", None),
    ],
)
async def test_a_low_waits_for_a_runner_as_long_as_salt_does(timeout: Any, waits: float | None) -> None:
    """For ever means an hour here. For a negative timeout Salt starts the runner and does not wait."""
    engine = Engine()
    if waits is None:
        with pytest.raises(ApiError) as refused:
            await engine.low(client="runner", fun="x.y", timeout=timeout)
        assert (refused.value.code, refused.value.details) == ("timeout", {"jid": JID})
        assert [fields["mode"] for _, fields in engine.asked] == ["async"]
    else:
        assert await engine.low(client="runner", fun="x.y", timeout=timeout) == [42]
        assert engine.asked[0][1]["timeout"] == waits


@pytest.mark.parametrize(
    ("low", "passed"),
    [
        ({"client": "runner", "timeout": 5, "full_return": False}, {}),
        ({"client": "runner_async", "timeout": 5, "full_return": False}, {"timeout": 5, "full_return": False}),
        ({"client": "wheel", "timeout": 5, "full_return": True}, {"timeout": 5}),
        ({"client": "wheel", "print_event": True}, {}),
        ({"client": "wheel_async", "print_event": False}, {}),
        (
            {"client": "runner", "print_event": True, "user": "x", "key": "y"},
            {"print_event": True, "user": "x", "key": "y"},
        ),
        ({"client": "wheel_async", "match": "*"}, {"match": "*"}),
        ({"client": "runner", "a": 2, "kwarg": {"a": 1, "b": 1}}, {"a": 2, "b": 1}),
    ],
)
async def test_other_fields_are_arguments_of_the_function(low: dict[str, Any], passed: dict[str, Any]) -> None:
    """A flat field takes precedence over one in `kwarg`."""
    engine = Engine()
    await engine.low(fun="x.y", **low)
    assert engine.asked[0][1]["kwarg"] == passed


@pytest.mark.parametrize("ret", ["", None, []])
async def test_an_empty_returner_counts_as_missing(ret: Any) -> None:
    """Salt's own client sends an empty text for no returner."""
    engine = Engine()
    await engine.low(client="local_async", tgt="*", fun="test.ping", ret=ret)
    assert "ret" not in engine.asked[0][1]


async def test_a_null_is_an_argument() -> None:
    """As in rest_cherrypy, which wraps every value that is no list."""
    engine = Engine()
    await engine.low(client="local_async", tgt="*", fun="test.ping", arg=None)
    await engine.low(client="runner", fun="x.y", arg=None)
    assert [fields["arg"] for _, fields in engine.asked] == [[None], [None]]


async def test_a_subset_is_chosen_from_the_minions_that_the_user_may_use() -> None:
    """They are chosen at random, and targeted by name."""
    engine = Engine()
    (answer,) = await engine.low(client="local_subset", tgt="*", fun="test.ping", subset=2)
    assert len(answer) == 2
    assert engine.asked[0] == ("match", {"tgt": "*", "tgt_type": "glob", "fun": "test.ping"})


@pytest.mark.parametrize("client", ["local_subset", "local_batch"])
async def test_a_target_is_matched_with_its_delimiter(client: str) -> None:
    """Split at colons it would match no minion."""
    engine = Engine()
    await engine.low(client=client, tgt="os|Debian", tgt_type="grain", delimiter="|", fun="test.ping")
    matched = {"tgt": "os|Debian", "tgt_type": "grain", "delimiter": "|", "fun": "test.ping"}
    assert engine.asked[0] == ("match", matched)


async def test_keyword_arguments_of_the_masters_functions_may_be_flat() -> None:
    """They stand next to `arg` and `kwarg`; credentials are not passed on."""
    engine = Engine()
    low = {"fun": "jobs.list_job", "jid": JID, "kwarg": {"a": 1}, "arg": ["b"], "token": TOKEN, "username": "x"}
    assert await engine.low(client="runner", **low) == [42]
    assert engine.asked[0][1]["kwarg"] == {"jid": JID, "a": 1}
    assert engine.asked[0][1]["arg"] == ["b"]


@pytest.mark.parametrize("client", ["wheel", "runner"])
async def test_the_answer_of_a_wheel_is_always_full_and_of_a_runner_on_request(client: str) -> None:
    """It has tag and data, as salt-api's clients expect."""
    full = {} if client == "wheel" else {"full_return": True}
    (answer,) = await Engine().low(client=client, fun="key.list_all", **full)
    told = {"jid": JID, "tag": f"salt/run/{JID}", "fun": f"{client}.key.list_all", "return": 42}
    told |= {} if client == "wheel" else {"fun_args": []}
    tag = f"salt/run/{JID}" if client == "wheel" else f"salt/run/{JID}/ret"
    assert answer == {"tag": tag, "data": {**told, "success": True, "user": "ann"}}


@pytest.mark.parametrize(
    "low",
    [
        "x",
        None,
        {},
        {"client": "ssh", "fun": "x.y"},
        {"client": "_run", "fun": "x.y"},
        {"client": ["local"], "fun": "x.y", "tgt": "*"},
        {"client": "local", "tgt": "*"},
        {"client": "local", "fun": 5, "tgt": "*"},
        {"client": "local", "fun": "test.ping"},
        {"client": "local", "fun": "test.ping", "tgt": "*", "tgt_type": "glob", "expr_form": "pcre"},
        {"client": "local", "fun": "test.ping", "tgt": "*", "kwarg": "x"},
        {"client": "local", "fun": "test.ping", "tgt": "*", "user": "root"},
        {"client": "local", "fun": "test.ping", "tgt": "*", "auth_list": [".*"]},
        {"client": "local", "fun": "test.ping", "tgt": "*", "key": "x"},
        {"client": "local_batch", "fun": "test.ping", "tgt": "*", "batch": "5%0"},
        {"client": "local_batch", "fun": "test.ping", "tgt": "*", "batch": ["1"]},
        {"client": "local_batch", "fun": "test.ping", "tgt": "*", "failhard": "perhaps"},
        {"client": "local_batch", "fun": "test.ping", "tgt": "*", "subset": 1},
        {"client": "local", "fun": "test.ping", "tgt": "*", "batch": "1"},
        {"client": "local", "fun": "test.ping", "tgt": "*", "failhard": True},
        {"client": "local_async", "fun": "test.ping", "tgt": "*", "batch_wait": 5},
        {"client": "local_subset", "fun": "test.ping", "tgt": "*", "batch": "1"},
        {"client": "local", "fun": "test.ping", "tgt": "*", "sub": 1},
        {"client": "local", "fun": "test.ping", "tgt": "*", "full_return": "perhaps"},
        {"client": "local_batch", "fun": "test.ping", "tgt": "*", "batch": "x%"},
        {"client": "local_batch", "fun": "test.ping", "tgt": "*", "batch": "9" * 400},
        {"client": "local_subset", "fun": "test.ping", "tgt": "*", "subset": "many"},
        {"client": "runner", "fun": "x.y", "timeout": "soon"},
    ],
)
async def test_a_wrong_low_is_refused_and_nothing_runs(low: Any) -> None:
    """Each error says what is wrong."""
    engine = Engine()
    if isinstance(low, dict) and low.get("batch") == "9" * 400:
        assert await run(low, engine.ask, CLIENTS)  # a subset larger than the target is the whole target
        return
    with pytest.raises(ApiError) as refused:
        await run(low, engine.ask, CLIENTS)
    assert refused.value.code == "bad_message"
    assert [operation for operation, _ in engine.asked if operation != "match"] == []


async def test_a_disabled_client_is_refused_with_salts_sentence() -> None:
    """Operators search for it."""
    with pytest.raises(ApiError) as refused:
        await run({"client": "runner", "fun": "x.y"}, Engine().ask, ("local",))
    known = "Client disabled: 'runner'. Add to 'netapi_enable_clients' master config option to enable."
    assert refused.value.message == known


class Logins:
    """Creates temporary tokens, and revokes them."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.revoked: list[str] = []

    async def __call__(self, **credentials: Any) -> str:
        self.created.append(credentials)
        return f"{len(self.created):064x}"

    async def revoke(self, token: str) -> None:
        self.revoked.append(token)


async def test_lows_with_the_same_credentials_share_one_token_until_the_request_ends() -> None:
    """The session's own token stays valid."""
    engine, logins = Engine(), Logins()
    users = LowLogins(engine.ask, logins, logins.revoke, has_session=True)
    low = {"username": "bob", "password": "x", "eauth": "pam"}
    for _ in range(2):
        await (await users.ask_for(low))("ping")
    await (await users.ask_for({"token": TOKEN}))("ping")
    await (await users.ask_for({}))("ping")
    await users.end()
    assert logins.created == [low]
    created = f"{1:064x}"
    assert [fields.get("token") for _, fields in engine.asked] == [created, created, TOKEN, None]
    assert logins.revoked == [created]


async def test_lows_with_different_credentials_never_share_a_token() -> None:
    """Another user, password or backend is another login; what is asked and how it is asked stays the same."""
    engine, logins = Engine(), Logins()
    users = LowLogins(engine.ask, logins, logins.revoke, has_session=True)
    bob = {"username": "bob", "password": "x", "eauth": "pam"}
    lows = [bob, {**bob, "username": "carol"}, {**bob, "password": "y"}, {**bob, "eauth": "ldap"}]
    for low in [*lows, dict(reversed(bob.items()))]:
        await (await users.ask_for(low))("ping", number=1)
    await users.end()
    assert logins.created == lows
    tokens = [f"{number:064x}" for number in (1, 2, 3, 4)]
    assert engine.asked == [("ping", {"number": 1, "token": token}) for token in [*tokens, tokens[0]]]
    assert logins.revoked == tokens


@pytest.mark.parametrize("low", [{"username": "bob"}, {"password": "x"}])
async def test_incomplete_credentials_never_run_as_the_session(low: dict[str, str]) -> None:
    """The login decides, and refuses them."""
    engine, logins = Engine(), Logins()
    await (await LowLogins(engine.ask, logins, logins.revoke, has_session=True).ask_for(low))("ping")
    assert logins.created == [low]
    assert engine.asked == [("ping", {"token": f"{1:064x}"})]


@pytest.mark.parametrize("low", [{}, "x", {"token": "../../x"}, {"token": 5}, {"token": "zz" * 32}])
async def test_without_a_session_each_low_must_name_its_user(low: Any) -> None:
    """A token is checked for its form before it is looked up."""
    with pytest.raises(ApiError) as refused:
        await LowLogins(Engine().ask, Logins(), Logins().revoke, has_session=False).ask_for(low)
    assert refused.value.code == "unauthenticated"


def test_a_job_has_the_format_of_the_runner_jobs() -> None:
    """Function, Target and so on; only minions that returned have a Result."""
    job = {"jid": JID, "kind": "job", "fun": "test.ping", "arg": [], "tgt": "*", "tgt_type": "glob", "user": "ann"}
    job |= {"metadata": None, "state": "partial", "minions": {"b": part("missing"), "a": part("failed", "no", 1)}}
    summary = {"Function": "test.ping", "Arguments": [], "Target": "*", "Target-type": "glob", "User": "ann"}
    summary["StartTime"] = "2014, Nov 03 07:33:12.975821"
    assert job_list([job]) == {JID: summary}
    info = job_info(job)
    assert info == {
        "jid": JID,
        **summary,
        "Minions": ["a", "b"],
        "Result": {"a": {"return": "no", "retcode": 1, "success": False}},
    }


def test_an_ended_runner_has_one_result() -> None:
    """Its function has the name of Salt's job cache."""
    job = {"jid": JID, "kind": "runner", "fun": "manage.up", "arg": [], "tgt": None, "tgt_type": None, "user": None}
    job |= {"metadata": {"t": 1}, "state": "complete", "return": ["a"], "success": True}
    info = job_info(job)
    assert (info["Function"], info["Metadata"]) == ("runner.manage.up", {"t": 1})
    assert info["Result"] == {"master": {"return": ["a"], "success": True}}

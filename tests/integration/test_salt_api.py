"""salt-api's protocol on a real master with two real minions: every path, every status."""

from __future__ import annotations

import base64
import http.cookies
import io
import json
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
import salt.client
import yaml

from tests.client import Client, Refused
from tests.integration.staging import ended_batch
from tests.integration.web import Web
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CREDENTIALS = {"username": "demo", "password": "demo", "eauth": "sharedsecret"}
VIEWER = {"username": "viewer", "password": "demo", "eauth": "sharedsecret"}
BOTH = {"minion-1": True, "minion-2": True}
JSON = "application/json"


@pytest.fixture(scope="module")
def stranger(engine_url: str, engine_port: int) -> Web:
    """A client without a token."""
    return Web(engine_port)


@pytest.fixture(scope="module")
def demo(stranger: Web) -> Web:
    """The user with all permissions."""
    return stranger.login("demo")


@pytest.fixture(scope="module")
def viewer(stranger: Web) -> Web:
    """The user who may run test.ping."""
    return stranger.login("viewer")


# /login, /logout, /token


def test_a_login_gives_one_token_in_three_places(stranger: Web) -> None:
    """Header, cookie and body have the same one; scripts cannot read the cookie, and no other site can send it."""
    answer = stranger.form("/login", CREDENTIALS)
    assert answer.status == 200
    told = answer.returned
    assert set(told) == {"token", "expire", "start", "user", "eauth", "perms"}
    assert (told["user"], told["eauth"]) == ("demo", "sharedsecret")
    assert answer.headers["X-Auth-Token"] == told["token"]
    (cookie,) = http.cookies.SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert (cookie.key, cookie.value) == ("session_id", told["token"])
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert not cookie["secure"]


@pytest.mark.parametrize("kind", [JSON, "text/plain;charset=UTF-8", "application/x-yaml"])
def test_a_login_may_have_any_type_and_be_in_a_list(stranger: Web, kind: str) -> None:
    """SaltGUI sends JSON as plain text; JSON is YAML too."""
    for value in (CREDENTIALS, [CREDENTIALS]):
        assert stranger.request("POST", "/login", json.dumps(value), Content_Type=kind).status == 200


def test_without_a_backend_the_engines_default_is_used(stranger: Web) -> None:
    """The native protocol does the same."""
    assert stranger.form("/login", {"username": "demo", "password": "demo"}).returned["eauth"] == "sharedsecret"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({**CREDENTIALS, "password": "wrong"}, 401),
        ({**CREDENTIALS, "username": "nobody"}, 403),
        ({**CREDENTIALS, "eauth": "no_such_backend"}, 401),
        ({"username": "demo"}, 400),
        ({"password": "demo"}, 400),
        ({}, 400),
        ([], 400),
        ("x", 400),
        ({**CREDENTIALS, "username": ["demo"]}, 400),
    ],
)
def test_a_failed_login_has_its_status(stranger: Web, fields: Any, status: int) -> None:
    """It sets no cookie."""
    answer = stranger.post("/login", fields)
    assert answer.status == status, answer.body
    assert "Set-Cookie" not in answer.headers
    assert b"Traceback" not in answer.body


def test_a_get_of_the_login_asks_for_a_login(stranger: Web) -> None:
    """rest_cherrypy does the same."""
    answer = stranger.get("/login")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (200, "Session")
    assert answer.value == {"status": None, "return": "Please log in"}


def test_a_logout_revokes_the_token_in_salt_and_clears_the_cookie(stranger: Web) -> None:
    """No protocol accepts it any more."""
    user = stranger.login("demo")
    answer = user.post("/logout")
    assert answer.value == {"return": "Your token has been cleared"}
    (cookie,) = http.cookies.SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert (cookie.key, cookie.value) == ("session_id", "")
    assert user.get("/minions").status == 401
    assert user.post("/logout").status == 401


def test_a_token_serves_lows_without_a_session(stranger: Web) -> None:
    """The answer is a list; its tokens work for /run."""
    answer = stranger.form("/token", VIEWER)
    (token,) = answer.value
    assert set(token) == {"start", "token", "expire", "name", "eauth"}
    low = {"client": "local", "tgt": "*", "fun": "test.ping", "token": token["token"]}
    assert stranger.post("/run", low).returned == BOTH
    assert stranger.post("/token", [CREDENTIALS, VIEWER]).value[1]["name"] == "viewer"
    assert stranger.form("/token", {"username": "x"}).status == 400


# Tokens


@pytest.mark.parametrize("path", ["/minions", "/minions/minion-1", "/jobs", "/jobs/1", "/keys", "/keys/x", "/stats"])
def test_nothing_is_answered_without_a_token(stranger: Web, path: str) -> None:
    """The status is 401, whatever else is wrong."""
    answer = stranger.get(path)
    assert answer.status == 401, answer.body
    assert answer.value["error"] == "unauthenticated"


@pytest.mark.parametrize("token", ["x", "f" * 64, "../../etc/passwd"])
def test_a_wrong_token_is_treated_as_none(stranger: Web, token: str) -> None:
    """Its form does not matter; one that looks like a path is never looked up."""
    answer = stranger.get("/minions", X_Auth_Token=token)
    assert answer.status == 401, answer.body
    assert answer.value["error"] == "unauthenticated"


def test_a_browser_without_a_token_is_redirected_to_the_login(stranger: Web) -> None:
    """Other clients get 401."""
    answer = stranger.get("/minions", Accept="text/html,application/xhtml+xml")
    assert (answer.status, answer.headers["Location"]) == (302, "/login")


def test_a_token_is_read_from_headers_first_and_then_the_cookie(stranger: Web, demo: Web) -> None:
    """An empty header counts as missing."""
    token, wrong = demo.token or "", "f" * 64
    assert stranger.get("/stats", X_Auth_Token=token).status == 200
    assert stranger.get("/stats", Authorization=f"Bearer {token}").status == 200
    assert stranger.get("/stats", Cookie=f"session_id={token}").status == 200
    assert stranger.get("/stats", Cookie=f"session_id={token}", X_Auth_Token="").status == 200
    assert stranger.get("/stats", Cookie=f"session_id={token}", X_Auth_Token=wrong).status == 401
    assert stranger.get("/stats", Cookie=f"session_id={wrong}", X_Auth_Token=token).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Referer": "https://evil.example.com/x"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Referer": "http://127.0.0.1:{port}/app"}, 200),
        ({"Origin": "null"}, 403),
    ],
)
def test_with_the_cookie_only_our_own_pages_change_anything(
    stranger: Web, demo: Web, headers: dict[str, str], status: int
) -> None:
    """A browser sends the cookie for any page; only Origin and Referer name the page."""
    headers = {name: value.format(port=stranger.port) for name, value in headers.items()}
    low = {"client": "local", "tgt": "*", "fun": "test.ping"}
    answer = stranger.post("/", low, Cookie=f"session_id={demo.token}", **headers)
    assert answer.status == status, answer.body


# Lowstate


def test_lows_are_answered_in_their_order(demo: Web) -> None:
    """A list of lows has a list of answers, each in the form of its client."""
    lows = [
        {"client": "local", "tgt": "*", "fun": "test.ping"},
        {"client": "local", "tgt": "minion-1", "fun": "test.arg", "arg": ["a", "b=2"], "kwarg": {"c": [3]}},
        {"client": "local", "tgt": "minion-1", "fun": "test.ping", "full_return": True},
        {"client": "local", "tgt": "minion-1,minion-2", "tgt_type": "list", "fun": "test.ping"},
        {"client": "local", "tgt": "nobody*", "fun": "test.ping"},
        {"client": "local_async", "tgt": "*", "fun": "test.ping"},
        {"client": "local_subset", "tgt": "*", "fun": "test.ping", "subset": 1},
        {"client": "runner", "fun": "manage.up"},
        {"client": "runner", "fun": "manage.up", "full_return": True},
        {"client": "runner_async", "fun": "manage.up"},
        {"client": "wheel", "fun": "key.name_match", "match": "minion-*"},
        {"client": "wheel_async", "fun": "key.list_all"},
        {"client": "local_batch", "tgt": "*", "fun": "test.ping", "batch": "1"},
    ]
    answers = demo.post("/", lows).value["return"]
    assert answers[0] == BOTH
    assert answers[1]["minion-1"]["args"] == ["a"]
    passed = {name: value for name, value in answers[1]["minion-1"]["kwargs"].items() if not name.startswith("__")}
    assert passed == {"b": 2, "c": [3]}
    assert set(answers[2]["minion-1"]) == {"ret", "retcode", "jid"}
    assert answers[3] == BOTH
    assert answers[4] == {}
    assert set(answers[5]) == {"jid", "minions"}
    assert len(answers[6]) == 1
    assert sorted(answers[7]) == ["minion-1", "minion-2"]
    assert sorted(answers[8]["data"]["return"]) == ["minion-1", "minion-2"]
    assert set(answers[9]) == {"jid", "tag"}
    assert answers[10]["data"]["return"] == {"minions": ["minion-1", "minion-2"]}
    assert {"jid", "tag", "return", "success", "fun", "user"} <= set(answers[10]["data"])
    assert set(answers[11]) == {"jid", "tag"}
    assert sorted(answers[12:], key=str) == [{"minion-1": True}, {"minion-2": True}]


def test_a_failed_function_is_reported_as_its_minion_returned_it(demo: Web) -> None:
    """It has a retcode if the full return is requested."""
    answer = demo.low(client="local", tgt="minion-1", fun="test.no_such_function", full_return=True)
    assert answer["minion-1"]["retcode"] != 0
    assert "not available" in answer["minion-1"]["ret"]


def test_a_bad_low_among_several_stops_no_other(demo: Web, viewer: Web) -> None:
    """Its error is in its place of the list."""
    good = {"client": "local", "tgt": "*", "fun": "test.ping"}
    bad = [{"client": "ssh", "fun": "x"}, {"client": "local", "tgt": "*", "fun": "test.ping", "user": "root"}, "x"]
    answers = demo.post("/", [good, *bad, good]).value["return"]
    assert answers[0] == answers[-1] == BOTH
    assert [answer["error"] for answer in answers[1:-1]] == ["bad_message"] * 3
    answers = viewer.post("/", [{"client": "local", "tgt": "*", "fun": "cmd.run", "arg": "id"}, good]).value["return"]
    assert (answers[0]["error"], answers[1]) == ("forbidden", BOTH)
    unknown = {**good, "token": "0" * 64}
    answers = demo.post("/", [good, unknown, {**good, **VIEWER, "password": "wrong"}, good]).value["return"]
    assert answers[0] == answers[-1] == BOTH
    assert [answer["error"] for answer in answers[1:-1]] == ["unauthenticated"] * 2
    assert demo.post("/", [unknown, unknown]).status == 401
    assert Web(demo.port).post("/run", [good, good]).status == 401


def test_a_user_runs_what_salt_permits_and_nothing_else(viewer: Web) -> None:
    """The master decides by the token."""
    assert viewer.low(client="local", tgt="*", fun="test.ping") == BOTH
    for low in (
        {"client": "local", "tgt": "*", "fun": "cmd.run", "arg": ["id"]},
        {"client": "local_async", "tgt": "*", "fun": "cmd.run", "arg": ["id"]},
        {"client": "runner", "fun": "manage.up"},
        {"client": "wheel", "fun": "key.list_all"},
    ):
        answer = viewer.post("/", low)
        assert answer.value["error"] == "forbidden", answer.body
        assert answer.status == 401
    assert viewer.get("/keys").value["error"] == "forbidden"


def test_forms_and_yaml_mean_the_same_as_json(demo: Web) -> None:
    """Arguments of a form are parsed as YAML, repeated ones are a list."""
    fields = {"client": "local", "tgt": "minion-1", "fun": "test.arg", "arg": ["1", "[a, b]", "c=d"], "kwarg": "{e: 5}"}
    by_form = demo.form("/", fields).returned["minion-1"]
    assert by_form["args"] == [1, ["a", "b"]]
    assert (by_form["kwargs"]["c"], by_form["kwargs"]["e"]) == ("d", 5)
    text = "- client: local\n  tgt: minion-1\n  fun: test.arg\n  arg: [1, [a, b], c=d]\n  kwarg: {e: 5}\n"
    answer = demo.request("POST", "/", text, Content_Type="application/x-yaml", Accept="application/x-yaml")
    assert answer.headers["Content-Type"] == "application/x-yaml"
    by_yaml = yaml.safe_load(answer.body)["return"][0]["minion-1"]
    assert by_yaml["args"] == by_form["args"]


def passed(answer: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments that test.arg or a runner like it was called with."""
    return answer["args"], {name: value for name, value in answer["kwargs"].items() if not name.startswith("__")}


def test_arguments_of_a_form_are_parsed_as_by_salt(demo: Web) -> None:
    """A comment is text, a leading zero has no meaning, and an object is in braces."""
    texts = [
        "echo 'issue #12 done'",
        "echo key: v",
        "0644",
        "1_000",
        "None",
        "{a: 0644}",
        "2020-01-01",
        "- a",
        "a=0644",
    ]
    form = {"client": "local", "tgt": "minion-1", "fun": "test.arg", "arg": texts}
    args, kwargs = passed(demo.form("/", form).returned["minion-1"])
    assert args == ["echo 'issue #12 done'", "echo key: v", 644, "1_000", None, {"a": 644}, "2020-01-01", "- a"]
    assert kwargs == {"a": 644}
    assert demo.form("/", {**form, "kwarg": "a: 1"}).status == 400


def test_arguments_of_a_runner_are_parsed_as_by_salts_client(demo: Web, viewer: Web) -> None:
    """Strings are YAML or `name=value`, and objects with Salt's mark are keyword arguments."""
    arg = ["1", 'pillar={"target": "x"}', {"__kwarg__": True, "b": "c=d"}, {"__kwarg__": 1, "e": 1}]
    low = {"client": "runner", "fun": "test.arg", "arg": arg, "f": "2"}
    assert passed(demo.low(**low)) == ([1, {"e": 1}], {"pillar": {"target": "x"}, "b": "c=d", "f": "2"})
    full = demo.low(**low, full_return=True)["data"]
    assert full["fun_args"] == [1, {"e": 1}, {"pillar": {"target": "x"}, "b": "c=d", "f": "2"}]
    assert demo.low(client="runner", fun="manage.up", nonsense=1) == demo.low(client="runner", fun="manage.up")
    assert viewer.post("/", {"client": "runner", "fun": "no.such", "arg": ["a=1"]}).status == 401


def test_a_match_that_a_wheel_does_not_accept_is_left_out(demo: Web) -> None:
    """SaltGUI sends it with every wheel."""
    listed = demo.low(client="wheel", fun="key.list_all", match="*")["data"]
    assert (listed["success"], listed["return"]["minions"]) == (True, ["minion-1", "minion-2"])
    assert demo.post("/", {"client": "wheel", "fun": "key.list_all", "nonsense": 1}).status == 400


@pytest.mark.parametrize(
    ("tgt", "tgt_type", "meant"),
    [
        (["minion-1"], "compound", ["minion-1"]),
        (["minion-*", "and", "not", "E@.*1"], "compound", ["minion-2"]),
        ("not minion-1,minion-2", "compound", ["minion-1", "minion-2"]),
        (["minion-1", "minion-2"], "list", ["minion-1", "minion-2"]),
        ("minion-1,minion-2", "glob", []),
        ("minion-1,*", "glob", []),
        ("minion-[1,2]", "glob", ["minion-1", "minion-2"]),
    ],
)
def test_a_target_means_one_thing_to_every_client(
    demo: Web, engine_url: str, tgt: Any, tgt_type: str, meant: list[str]
) -> None:
    """A command runs on the minions that ``match`` returns, on both protocols."""
    low = {"tgt": tgt, "tgt_type": tgt_type, "fun": "test.ping"}
    pings = dict.fromkeys(meant, True)
    assert demo.low(client="local", **low) == pings
    assert demo.low(client="local_subset", subset=9, **low) == pings
    batch = demo.post("/", {"client": "local_batch", "batch": "50.5%", **low}).value["return"]
    assert {name: value for answer in batch for name, value in answer.items()} == pings
    item = {"fun": "test.ping", "tgt": tgt, "tgt_type": tgt_type}
    with Client(engine_url) as native:
        native.ask("auth", **CREDENTIALS)
        assert native.ask("match", tgt=tgt, tgt_type=tgt_type) == meant
        if meant:
            assert sorted(native.ask("cmd", **item)["minions"]) == meant
            made = native.ask("batch", batch=[item])
            assert made["total_count"] == len(meant)
            ended_batch(native, made["id"])  # its jobs would be among those of the next test
            return
        for kind, fields in (("cmd", item), ("batch", {"batch": [item]})):
            with pytest.raises(Refused) as refused:
                native.ask(kind, **fields)
            assert refused.value.code == "no_minions"


@pytest.mark.parametrize("client", ["local", "local_async", "local_subset", "local_batch"])
def test_a_list_of_another_target_type_runs_nowhere(demo: Web, client: str) -> None:
    """Its target type matches no minion."""
    low = {"client": client, "tgt": ["minion-1", "minion-2"], "tgt_type": "grain", "fun": "test.ping"}
    assert demo.post("/", low).value["error"] == "bad_message"
    assert demo.post("/minions", {**low, "client": "local_async"}).status == 400


def test_a_rolling_restart_stops_at_the_first_failure(demo: Web) -> None:
    """With ``failhard`` the failed minion is reported, and the function is sent to no other."""
    low = {"client": "local_batch", "tgt": "*", "batch": 1, "fun": "test.retcode", "arg": [3]}
    assert len(demo.post("/", low).value["return"]) == 2
    assert len(demo.post("/", {**low, "failhard": True}).value["return"]) == 1


def test_a_runner_is_waited_for_as_salt_waits(demo: Web) -> None:
    """A timeout of zero waits without limit, a negative one does not wait."""
    low = {"client": "runner", "fun": "test.sleep", "s_time": 2}
    assert demo.low(**low, timeout=0) is True
    assert demo.low(**low, timeout=1e7) is True
    answer = demo.post("/", {**low, "timeout": -1})
    assert (answer.status, answer.value["error"]) == (504, "timeout")


def test_credentials_in_each_low_need_no_session_and_leave_no_token(
    stranger: Web, salt_master: Any, engine_port: int
) -> None:
    """Each low runs as its own user; the tokens made for this are revoked afterwards."""
    ping = {"client": "local", "tgt": "*", "fun": "test.ping"}
    tokens = Path(salt_master.config["token_dir"])
    before = set(tokens.iterdir())
    answers = stranger.post("/run", [{**ping, **CREDENTIALS}, {**ping, "fun": "cmd.run", "arg": "id", **VIEWER}])
    assert answers.value["return"][0] == BOTH
    assert answers.value["return"][1]["error"] == "forbidden"
    assert stranger.post("/", {**ping, **VIEWER}).returned == BOTH
    assert set(tokens.iterdir()) <= before
    assert stranger.post("/run", ping).status == 401
    assert stranger.post("/run", {**ping, **VIEWER, "password": "wrong"}).status == 401


def test_a_low_with_a_token_of_its_own_runs_for_its_user(demo: Web, viewer: Web) -> None:
    """The session's user does not matter."""
    low = {"client": "local", "tgt": "*", "fun": "cmd.run", "arg": "echo x", "token": viewer.token}
    assert demo.post("/", low).value["error"] == "forbidden"
    low |= {"token": demo.token}
    assert viewer.post("/", low).returned == {"minion-1": "x", "minion-2": "x"}


# Bad input


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (JSON, b'{"client": ', 400),
        (JSON, b"\xff", 400),
        (JSON, b'"local"', 400),
        (JSON, b"", 400),
        ("application/x-yaml", b"a: [", 400),
        ("application/x-yaml", b"!!python/object/apply:os.system ['touch /tmp/never']", 400),
        ("application/x-www-form-urlencoded", b"client=%ff", 400),
        ("application/pdf", b"x", 406),
        (JSON, b'{"client": "' + b"x" * 300_000 + b'"}', 413),
    ],
)
def test_a_bad_body_has_its_status_and_runs_nothing(demo: Web, kind: str, body: bytes, status: int) -> None:
    """The error has one form and never a traceback."""
    answer = demo.request("POST", "/", body, Content_Type=kind)
    assert answer.status == status, answer.body[:200]
    assert set(answer.value) == {"error", "message", "details"}
    assert not Path("/tmp/never").exists()


def test_bodies_before_the_login_are_small(stranger: Web) -> None:
    """They are large enough for a login."""
    assert stranger.post("/login", {**CREDENTIALS, "password": "x" * 5000}).status == 413


@pytest.mark.parametrize("path", ["/", "/minions", "/stats", "/jobs"])
def test_a_client_that_accepts_neither_type_gets_406(demo: Web, path: str) -> None:
    """Nothing runs before."""
    assert demo.get(path, Accept="image/png").status == 406


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/", 405),
        ("PUT", "/login", 405),
        ("GET", "/run", 405),
        ("POST", "/keys/minion-1", 405),
        ("GET", "/hook", 405),
        ("GET", "/jobs/1", 404),  # no batch of this id
        ("GET", "/jobs/x", 400),
        ("GET", "/jobs/..%2f..%2fetc%2fpasswd", 400),
        ("GET", "/jobs/20141103073312975821", 404),
        ("HEAD", "/", 200),
        ("GET", "/no/such/path", 404),
    ],
)
def test_a_wrong_path_or_method_has_its_status(demo: Web, method: str, path: str, status: int) -> None:
    """The error shows no internals."""
    answer = demo.request(method, path)
    assert answer.status == status, answer.body
    assert b"Traceback" not in answer.body


# Minions, jobs, keys


def test_minions_have_their_grains(demo: Web, viewer: Web) -> None:
    """They come from the master's cache; users who may not read grains see none."""
    wait_until(lambda: set(demo.get("/minions").returned) == {"minion-1", "minion-2"}, "grains of both")
    one = demo.get("/minions/minion-1").returned
    assert one["minion-1"]["id"] == "minion-1"
    assert set(demo.get("/minions/minion-*").returned) == {"minion-1", "minion-2"}
    assert demo.get("/minions/nobody").returned == {}
    assert viewer.get("/minions").returned == {}


def test_a_job_started_by_minions_is_found_under_its_link(demo: Web) -> None:
    """The status is 202, with a link to the job."""
    answer = demo.form("/minions", {"tgt": "*", "fun": "test.arg", "arg": "x"})
    assert answer.status == 202
    (link,) = answer.value["_links"]["jobs"]
    assert link["href"] == f"/jobs/{answer.returned['jid']}"
    wait_until(lambda: len(demo.get(link["href"]).returned) == 2, "both returns")
    job = demo.get(link["href"]).value
    (info,) = job["info"]
    assert (info["Function"], info["Target"], info["Minions"]) == ("test.arg", "*", ["minion-1", "minion-2"])
    assert info["Result"]["minion-1"]["return"] == job["return"][0]["minion-1"]
    listed = demo.get("/jobs").returned
    assert listed[answer.returned["jid"]]["User"] == "demo"


def test_a_job_below_a_minions_path_is_for_that_minion(demo: Web) -> None:
    """A low with another target is refused and runs nowhere."""
    answer = demo.form("/minions/minion-1", {"fun": "test.ping"})
    assert (answer.status, answer.returned["minions"]) == (202, ["minion-1"])
    assert demo.form("/minions/minion-1", {"tgt": "minion-1", "fun": "test.ping"}).returned["minions"] == ["minion-1"]
    assert demo.form("/minions/minion-1", {"tgt": "*", "fun": "test.ping"}).status == 400


def test_jobs_of_other_users_are_hidden(demo: Web, viewer: Web) -> None:
    """They are neither listed nor found."""
    jid = demo.low(client="local_async", tgt="*", fun="cmd.run", arg="echo secret")["jid"]
    assert jid not in viewer.get("/jobs").returned
    assert viewer.get(f"/jobs/{jid}").status == 404


def test_a_compound_command_needs_permission_for_each_function(demo: Web, viewer: Web, salt_master: Any) -> None:
    """It has a state and an end. Salt itself starts it with permission for one of them."""
    funs, arguments = ["test.ping", "cmd.run"], [[], ["echo secret"]]
    with salt.client.LocalClient(mopts=dict(salt_master.config)) as local:
        jid = local.run_job("minion-*", funs, arg=arguments)["jid"]
        by_salt = local.run_job("minion-*", funs, arg=arguments, token=viewer.token)["jid"]
        assert by_salt  # otherwise Salt is fixed, and salt-api's protocol may accept lists of functions
    wait_until(lambda: len(demo.get(f"/jobs/{jid}").returned) == 2, "both returns")
    (info,) = demo.get(f"/jobs/{jid}").value["info"]
    assert (info["Function"], info["Arguments"]) == ("test.ping,cmd.run", arguments)
    assert info["Result"]["minion-1"]["return"] == {"test.ping": True, "cmd.run": "secret"}
    assert info["Result"]["minion-1"]["success"] is True
    assert demo.get("/jobs").returned[jid]["Function"] == "test.ping,cmd.run"
    assert viewer.get(f"/jobs/{jid}").status == 404
    assert jid not in viewer.get("/jobs").returned
    low = {"client": "local", "tgt": "*", "fun": funs, "arg": arguments}
    for user in (demo, viewer):
        assert user.post("/", low).value["message"].startswith("one low, one function")


def test_keys_are_listed_and_have_fingerprints(demo: Web) -> None:
    """The wheel ``key`` answers the same."""
    assert {"minion-1", "minion-2"} <= set(demo.get("/keys").value["return"]["minions"])
    assert set(demo.get("/keys/minion-1").value["return"]["minions"]) == {"minion-1"}


def test_a_generated_key_pair_is_shown_to_its_requester_only(
    demo: Web, stranger: Web, engine_url: str, salt_master: Any
) -> None:
    """It is sent as a tar; the private key is in no event and in no log."""
    with Client(engine_url) as watcher:
        watcher.login("demo")
        watcher.ask("subscribe", subscription="event", tag="salt/wheel/")
        try:
            answer = stranger.form("/keys", {"mid": "fresh-minion", **CREDENTIALS})
            assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-tar")
            frames = watcher.frames(until=_shows_the_pair)
            with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
                files = {name: (archive.extractfile(name) or io.BytesIO()).read() for name in archive.getnames()}
            assert set(files) == {"minion.pub", "minion.pem"}
            private = files["minion.pem"].decode().splitlines()[1]
            assert private not in json.dumps(frames)
            assert private not in Path(salt_master.config["log_file"]).read_text(errors="replace")
            assert "fresh-minion" in demo.get("/keys").value["return"]["minions"]
        finally:
            deleted = demo.low(client="wheel", fun="key.delete", match="fresh-minion")
        assert deleted["data"]["success"] is True
    for fields in ({"x": "y"}, {"mid": "../evil"}, {"mid": ".."}, {"mid": 'a"b'}, {"mid": "a\r\nb"}):
        assert demo.form("/keys", fields).status == 400


def _shows_the_pair(frame: dict[str, Any]) -> bool:
    is_return, data = frame.get("tag", "").endswith("/ret"), frame.get("data", {})
    return is_return and data["fun"] == "wheel.key.gen_accept" and "fresh-minion" in str(data)


# Hooks, stats, the Welcome


@pytest.mark.parametrize(
    ("path", "tag"),
    [("/hook", "salt/netapi/hook"), ("/hook/a/b", "salt/netapi/hook/a/b"), ("/hook/a/b/", "salt/netapi/hook/a/b")],
)
def test_a_hook_becomes_an_event(viewer: Web, engine_url: str, path: str, tag: str) -> None:
    """It has everything that was sent, except the credentials."""
    with Client(engine_url) as watcher:
        watcher.login("demo")
        watcher.ask("subscribe", subscription="event", tag="salt/netapi/hook")
        signature = f"s-{time.time_ns()}"  # the hooks of other tests may arrive first
        headers = {"Content_Type": JSON, "X_Signature": signature}
        sent = viewer.request("POST", f"{path}?q=1&many=1&many=2&none=", '{"x": 1}', **headers)
        assert sent.value == {"success": True}
        *_, event = watcher.frames(until=lambda frame: frame["data"]["headers"].get("X-Signature") == signature)
    assert event["tag"] == tag
    data = event["data"]
    assert (data["post"], data["get"], data["body"]) == (
        {"x": 1},
        {"q": "1", "many": ["1", "2"], "none": ""},
        '{"x": 1}',
    )
    assert viewer.token not in json.dumps(event)


def test_a_hook_accepts_any_body_but_needs_a_token(viewer: Web, stranger: Web) -> None:
    """A body of an unknown type is passed on as text."""
    assert viewer.request("POST", "/hook/x", b"<xml/>", Content_Type="application/xml").status == 200
    assert viewer.request("POST", "/hook/x", b"{", Content_Type=JSON).status == 400
    assert viewer.request("POST", "/hook/x%0a%0akey", b"").status == 400
    assert stranger.post("/hook/x", {}).status == 401


def test_the_stats_count(demo: Web) -> None:
    """They count since the engine's start."""
    before = demo.get("/stats").value["requests"].get("list_jobs", 0)
    demo.get("/jobs")
    assert demo.get("/stats").value["requests"]["list_jobs"] == before + 1


def test_the_welcome_lists_the_clients(stranger: Web) -> None:
    """It has the type that the client accepts."""
    welcome = stranger.get("/").value
    assert welcome["return"] == "Welcome"
    assert "local_async" in welcome["clients"]
    assert yaml.safe_load(stranger.get("/", Accept="application/x-yaml").body) == welcome
    assert "X-Salt-Version" not in stranger.get("/").headers


def test_a_missing_minion_differs_from_one_that_returned_false(demo: Web, salt_minions: list[Any]) -> None:
    """A low ends with its job: it does not wait without limit for a minion that is down."""
    with salt_minions[1].stopped():
        answer = demo.low(client="local", tgt="*", fun="test.false")
        assert answer["minion-1"] is False
        assert answer["minion-2"].startswith("Minion did not return. [No response]")


def test_basic_credentials_are_not_a_token(stranger: Web) -> None:
    """They are ignored."""
    basic = base64.b64encode(b"demo:demo").decode()
    assert stranger.get("/minions", Authorization=f"Basic {basic}").status == 401

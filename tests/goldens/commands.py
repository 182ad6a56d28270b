"""What is sent to ``/``: the welcome, and commands by every client, in every content type, good and bad."""

from __future__ import annotations

import json

from tests.goldens.request import Request, as_yaml, form, get, low, post

PING = low("local", "test.ping", "minion-*")
ONE = low("local", "test.ping", "minion-1")
CREDENTIALS = {"username": "demo", "password": "<password>", "eauth": "sharedsecret"}

WELCOME: list[Request] = [
    get("welcome", "/", session=None),
    get("welcome as JSON", "/", session=None, headers={"Accept": "application/json"}),
    get("welcome as YAML", "/", session=None, headers={"Accept": "application/x-yaml"}),
    get("welcome as text/yaml", "/", session=None, headers={"Accept": "text/yaml"}),
    get("welcome as anything", "/", session=None, headers={"Accept": "*/*"}),
    get("welcome as HTML", "/", session=None, headers={"Accept": "text/html"}),
    get(
        "welcome as a browser asks", "/", session=None, headers={"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"}
    ),
    get("welcome as plain text", "/", session=None, headers={"Accept": "text/plain"}),
    get(
        "welcome by preference",
        "/",
        session=None,
        headers={"Accept": "application/x-yaml;q=0.9, application/json;q=0.1"},
    ),
    get("welcome with a session", "/"),
    Request("welcome by HEAD", "HEAD", "/", session=None),
]

CLIENTS: list[Request] = [
    post("local", "/", PING),
    post("local as a list", "/", [PING]),
    post("local as YAML", "/", [PING], headers={"Accept": "application/x-yaml"}),
    post("local in full", "/", {**PING, "full_return": True}),
    post("local with arguments", "/", low("local", "test.arg", "minion-1", arg=["one", 2], kwarg={"three": [3]})),
    post("local with one argument", "/", low("local", "test.arg", "minion-1", arg="one")),
    post("local with flat arguments", "/", low("local", "test.arg", "minion-1", three=3)),
    post("local of a list", "/", low("local", "test.ping", ["minion-1", "minion-2"], tgt_type="list")),
    post("local of a list in a string", "/", low("local", "test.ping", "minion-1,minion-2", tgt_type="list")),
    post("local of a list of one in a string", "/", low("local", "test.ping", "minion-1", tgt_type="list")),
    post("local by expr_form", "/", low("local", "test.ping", "minion-1,minion-2", expr_form="list")),
    post("local of nobody", "/", low("local", "test.ping", "nobody-*")),
    post("local of a list of nobody", "/", low("local", "test.ping", ["nobody"], tgt_type="list")),
    post("local of one that is away", "/", low("local", "test.ping", "away", timeout=1)),
    post("local of one that is away, in full", "/", low("local", "test.ping", "away", timeout=1, full_return=True)),
    post("local of all, one away", "/", low("local", "test.ping", "*", timeout=1)),
    post(
        "local of a list, one unknown",
        "/",
        low("local", "test.ping", ["minion-1", "nobody"], tgt_type="list", timeout=1),
    ),
    post("local that fails", "/", low("local", "test.exception", "minion-1", arg=["broken"])),
    post(
        "local that fails, in full", "/", low("local", "test.exception", "minion-1", arg=["broken"], full_return=True)
    ),
    post("local of an unknown function", "/", low("local", "test.no_such", "minion-1")),
    post("local of an unknown function, in full", "/", low("local", "test.no_such", "minion-1", full_return=True)),
    post("local with too many arguments", "/", low("local", "test.ping", "minion-1", arg=["surplus"])),
    post("local without fun", "/", low("local", None, "minion-1")),
    post("local without tgt", "/", low("local", "test.ping")),
    post("local with a list of functions", "/", low("local", ["test.ping", "test.echo"], "minion-1", arg=[[], ["a"]])),
    post("local with metadata", "/", low("local", "test.ping", "minion-1", metadata={"a": 1}, full_return=True)),
    post("local with a timeout in a string", "/", low("local", "test.ping", "minion-1", timeout="9")),
    post("local_async", "/", low("local_async", "test.ping", "minion-*")),
    post("local_async of nobody", "/", low("local_async", "test.ping", "nobody-*")),
    post("local_async of one that is away", "/", low("local_async", "test.ping", "away")),
    post("local_subset", "/", low("local_subset", "test.ping", "minion-*", subset=2)),
    post("local_subset of one", "/", low("local_subset", "test.arg", "minion-1", subset=1, arg=["one"])),
    post("local_subset of nobody", "/", low("local_subset", "test.ping", "nobody-*", subset=1)),
    post("local_batch", "/", low("local_batch", "test.ping", "minion-*", batch="1")),
    post("local_batch by percent", "/", low("local_batch", "test.ping", "minion-*", batch="100%")),
    post("local_batch of nobody", "/", low("local_batch", "test.ping", "nobody-*", batch="1")),
    post("local_batch of one that is away", "/", low("local_batch", "test.ping", "away", batch="1", timeout=1)),
    post("runner", "/", low("runner", "test.arg", arg=["one"], kwarg={"two": 2})),
    post("runner in full", "/", low("runner", "test.arg", arg=["one"], full_return=True)),
    post("runner with flat arguments", "/", low("runner", "jobs.list_job", jid="<known jid>")),
    post(
        "runner with flat and named arguments", "/", low("runner", "test.arg", two=2, kwarg={"three": 3}, arg=["one"])
    ),
    post("runner of an unknown function", "/", low("runner", "test.no_such")),
    post("runner that fails", "/", low("runner", "error.error", name="ValueError", message="broken")),
    post("runner that fails, in full", "/", low("runner", "error.error", name="ValueError", full_return=True)),
    post("runner without fun", "/", low("runner", None)),
    post("runner_async", "/", low("runner_async", "test.arg", arg=["one"])),
    post("wheel", "/", low("wheel", "key.list_all")),
    post("wheel with flat arguments", "/", low("wheel", "key.name_match", match="minion-*")),
    post("wheel with named arguments", "/", low("wheel", "key.name_match", kwarg={"match": "minion-*"})),
    post("wheel with positional arguments", "/", low("wheel", "key.name_match", arg=["minion-*"])),
    post("wheel in full", "/", low("wheel", "key.list_all", full_return=True)),
    post("wheel of an unknown function", "/", low("wheel", "key.no_such")),
    post("wheel that fails", "/", low("wheel", "key.name_match")),
    post("wheel without fun", "/", low("wheel", None)),
    post("wheel_async", "/", low("wheel_async", "key.list_all")),
    post("a disabled client", "/", low("ssh", "test.ping", "minion-1")),
    post("an unknown client", "/", low("nonsense", "test.ping", "minion-1")),
    post("a private name as client", "/", low("_prep_auth_info", "test.ping", "minion-1")),
    post("a method's name as client", "/", low("destroy", "test.ping", "minion-1")),
    post("no client", "/", {"tgt": "minion-1", "fun": "test.ping"}),
    post("client of another type", "/", {**ONE, "client": ["local"]}),
]

LISTS: list[Request] = [
    post("two lows", "/", [ONE, low("runner", "test.arg", arg=["one"])]),
    post("no lows", "/", []),
    post("three lows, the second of an unknown client", "/", [ONE, low("nonsense", "test.ping", "minion-1"), ONE]),
    post("three lows, the second disabled", "/", [ONE, low("ssh", "test.ping", "minion-1"), ONE]),
    post("three lows, the second fails on the minion", "/", [ONE, low("local", "test.no_such", "minion-1"), ONE]),
    post("three lows, the second of nobody", "/", [ONE, low("local", "test.ping", "nobody-*"), ONE]),
    post("three lows, the second without fun", "/", [ONE, low("local", None, "minion-1"), ONE]),
    post("three lows, the second forbidden", "/", [ONE, low("local", "test.arg", "minion-1"), ONE], session="viewer"),
    post("lows with something else among them", "/", [ONE, "test.ping"]),
    post("a string as lows", "/", '"test.ping"'),
    post("a number as lows", "/", "1"),
]

CONTENT: list[Request] = [
    form("a form", "/", [*PING.items()]),
    form(
        "a form with repeated arg", "/", [*low("local", "test.arg", "minion-1").items(), ("arg", "one"), ("arg", "2")]
    ),
    form(
        "a form with arguments in YAML", "/", [*low("local", "test.arg", "minion-1").items(), ("arg", "{a: [1, yes]}")]
    ),
    form("a form with a keyword argument", "/", [*low("local", "test.arg", "minion-1").items(), ("arg", "a=1")]),
    form("a form with kwarg in YAML", "/", [*low("local", "test.arg", "minion-1").items(), ("kwarg", "{a: 1}")]),
    form("a form with a list of minions", "/", [*ONE.items(), ("tgt", "minion-2"), ("tgt_type", "list")]),
    form("a form with full_return", "/", [*ONE.items(), ("full_return", "true")]),
    form("a form with a timeout", "/", [*low("local", "test.ping", "away").items(), ("timeout", "1")]),
    form("a form of a runner", "/", [("client", "runner"), ("fun", "jobs.list_job"), ("jid", "<known jid>")]),
    as_yaml("YAML", "/", [PING]),
    as_yaml("text/yaml", "/", [PING], content="text/yaml"),
    as_yaml("YAML of one low", "/", PING),
    post("JSON as plain text", "/", [PING], content="text/plain;charset=UTF-8"),
    post("JSON with a charset", "/", [PING], content="application/json; charset=utf-8"),
    post("no content type", "/", [PING], content=None),
    post("a content type that is not known", "/", [PING], content="application/xml"),
    post("malformed JSON", "/", '[{"client": "local"'),
    post("malformed JSON as plain text", "/", "[{", content="text/plain"),
    as_yaml("malformed YAML", "/", "[{client: local"),
    as_yaml("YAML that names an object", "/", "!!python/object/apply:os.getcwd []"),
    as_yaml(
        "YAML that names an object in a low", "/", "- client: local\n  fun: !!python/name:os.getcwd ''\n  tgt: minion-1"
    ),
    Request("a malformed form", "POST", "/", "%zz&&=&client", content="application/x-www-form-urlencoded"),
    post("JSON sent as a form", "/", [PING], content="application/x-www-form-urlencoded"),
    Request("no body", "POST", "/"),
    post("an empty body", "/", ""),
    post("a huge body", "/", json.dumps([ONE]) + "<filler>"),
    post("a command, answered as plain text", "/", [ONE], headers={"Accept": "text/plain"}),
]

AUTHENTICATION: list[Request] = [
    post("no token", "/", [ONE], session=None),
    post("no token, from a browser", "/", [ONE], session=None, headers={"Accept": "text/html"}),
    post("a wrong token", "/", [ONE], session=None, headers={"X-Auth-Token": "0" * 40}),
    post("a token of no form", "/", [ONE], session=None, headers={"X-Auth-Token": "../../etc"}),
    post("the token as a cookie", "/", [ONE], session=None, headers={"Cookie": "session_id=<session demo>"}),
    post("a wrong cookie", "/", [ONE], session=None, headers={"Cookie": "session_id=" + "0" * 40}),
    post("the token as a bearer", "/", [ONE], session=None, headers={"Authorization": "Bearer <session demo>"}),
    post(
        "an empty header beside a good cookie",
        "/",
        [ONE],
        session=None,
        headers={"X-Auth-Token": "", "Cookie": "session_id=<session demo>"},
    ),
    post("a good header beside a wrong cookie", "/", [ONE], headers={"Cookie": "session_id=" + "0" * 40}),
    post(
        "a wrong header beside a good cookie",
        "/",
        [ONE],
        session=None,
        headers={"X-Auth-Token": "0" * 40, "Cookie": "session_id=<session demo>"},
    ),
    post("Salt's own token in the header", "/", [ONE], session=None, headers={"X-Auth-Token": "<token demo>"}),
    post("a token in the low, without a session", "/", [{**ONE, "token": "<token demo>"}], session=None),
    post(
        "another user's token in the low",
        "/",
        [low("local", "test.arg", "minion-1", token="<token demo>")],
        session="viewer",
    ),
    post("a wrong token in the low", "/", [{**ONE, "token": "0" * 64}]),
    post("a token of no form in the low", "/", [{**ONE, "token": "../../etc"}]),
    post("credentials in the low, without a session", "/", [{**ONE, **CREDENTIALS}], session=None),
    post("a permitted local", "/", [ONE], session="viewer"),
    post("a forbidden local", "/", [low("local", "test.arg", "minion-1")], session="viewer"),
    post("a forbidden local_async", "/", [low("local_async", "test.arg", "minion-1")], session="viewer"),
    post("a forbidden local_subset", "/", [low("local_subset", "test.arg", "minion-1")], session="viewer"),
    post("a forbidden local_batch", "/", [low("local_batch", "test.arg", "minion-1", batch="1")], session="viewer"),
    post("a forbidden runner", "/", [low("runner", "test.arg")], session="viewer"),
    post("a forbidden runner_async", "/", [low("runner_async", "test.arg")], session="viewer"),
    post("a forbidden wheel", "/", [low("wheel", "key.list_all")], session="viewer"),
    post("a forbidden wheel_async", "/", [low("wheel_async", "key.list_all")], session="viewer"),
]

COMMANDS = [*WELCOME, *CLIENTS, *LISTS, *CONTENT, *AUTHENTICATION]

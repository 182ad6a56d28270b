"""What is sent to every path but ``/``."""

from __future__ import annotations

from tests.goldens.commands import CREDENTIALS, ONE
from tests.goldens.request import FORMATTED, SSE, WEBSOCKET, Request, as_yaml, form, get, low, post

TAR = {"Accept": "application/x-tar"}
WRONG = {**CREDENTIALS, "password": "wrong"}
PREFLIGHT = {"Origin": "http://elsewhere.example", "Access-Control-Request-Method": "POST"}
ASKED = {"Access-Control-Request-Headers": "content-type,x-auth-token"}

LOGIN: list[Request] = [
    get("login page", "/login", session=None),
    get("login page as HTML", "/login", session=None, headers={"Accept": "text/html"}),
    post("login", "/login", CREDENTIALS, session=None),
    post("login as YAML", "/login", CREDENTIALS, session=None, headers={"Accept": "application/x-yaml"}),
    post("login as a list", "/login", [CREDENTIALS], session=None),
    post("login as plain text", "/login", CREDENTIALS, session=None, content="text/plain;charset=UTF-8"),
    form("login by form", "/login", [*CREDENTIALS.items()], session=None),
    as_yaml("login by YAML", "/login", CREDENTIALS, session=None),
    post("login of a user with few rights", "/login", {**CREDENTIALS, "username": "viewer"}, session=None),
    post("login of a user without rights", "/login", {**CREDENTIALS, "username": "stranger"}, session=None),
    post("login with a wrong password", "/login", WRONG, session=None),
    post("login without a password", "/login", {"username": "demo", "eauth": "sharedsecret"}, session=None),
    post("login without a username", "/login", {"password": "<password>", "eauth": "sharedsecret"}, session=None),
    post("login without eauth", "/login", {"username": "demo", "password": "<password>"}, session=None),
    post("login by an unknown eauth", "/login", {**CREDENTIALS, "eauth": "nonsense"}, session=None),
    post("login with an empty object", "/login", {}, session=None),
    post("login with an empty list", "/login", [], session=None),
    Request("login without a body", "POST", "/login", session=None),
    post("login with malformed JSON", "/login", "{", session=None),
    post("login in a session", "/login", CREDENTIALS),
    post("login with numbers", "/login", {**CREDENTIALS, "username": 1}, session=None),
]

LOGOUT: list[Request] = [
    post("before logging out", "/", [ONE], session="spare"),
    get("logout by GET", "/logout", session="spare"),
    Request("logout", "POST", "/logout", session="spare"),
    post("after logging out", "/", [ONE], session="spare"),
    Request("logout once more", "POST", "/logout", session="spare"),
    Request("logout without a session", "POST", "/logout", session=None),
]

TOKEN: list[Request] = [
    post("token", "/token", CREDENTIALS, session=None),
    post("token as a list", "/token", [CREDENTIALS], session=None),
    form("token by form", "/token", [*CREDENTIALS.items()], session=None),
    post("token with a wrong password", "/token", WRONG, session=None),
    post("token without a password", "/token", {"username": "demo", "eauth": "sharedsecret"}, session=None),
    post("token of a user without rights", "/token", {**CREDENTIALS, "username": "viewer"}, session=None),
    get("token by GET", "/token", session=None),
    Request("token without a body", "POST", "/token", session=None),
]

MINIONS: list[Request] = [
    get("minions", "/minions"),
    get("minions as YAML", "/minions/minion-1", headers={"Accept": "application/x-yaml"}),
    get("minions without a token", "/minions", session=None),
    get("minions without a token, in a browser", "/minions", session=None, headers={"Accept": "text/html"}),
    get("minions, forbidden", "/minions", session="viewer"),
    get("minions with a slash", "/minions/"),
    get("one minion", "/minions/minion-1"),
    get("one minion that is away", "/minions/away"),
    get("one minion that is unknown", "/minions/nobody"),
    get("minions by a glob", "/minions/minion-*"),
    post("a job by minions", "/minions", {"tgt": "minion-*", "fun": "test.ping"}),
    post(
        "jobs by minions",
        "/minions",
        [{"tgt": "minion-1", "fun": "test.ping"}, {"tgt": "minion-2", "fun": "test.ping"}],
    ),
    form("a job by minions, by form", "/minions", [("tgt", "minion-1"), ("fun", "test.arg"), ("arg", "1")]),
    post("a job by minions that names its client", "/minions", ONE),
    post("a job by minions for nobody", "/minions", {"tgt": "nobody-*", "fun": "test.ping"}),
    post("a job by minions, forbidden", "/minions", {"tgt": "minion-1", "fun": "test.arg"}, session="viewer"),
    post("a job by minions without a token", "/minions", {"tgt": "minion-1", "fun": "test.ping"}, session=None),
    post("a job by minions without fun", "/minions", {"tgt": "minion-1"}),
    Request("minions without a body", "POST", "/minions"),
]

JOBS: list[Request] = [
    get("jobs", "/jobs"),
    get("jobs without a token", "/jobs", session=None),
    get("jobs, forbidden", "/jobs", session="viewer"),
    get("one job", "/jobs/<known jid>"),
    get("one job as YAML", "/jobs/<known jid>", headers={"Accept": "application/x-yaml"}),
    get("one job that is unknown", "/jobs/20200101000000000000"),
    get("one job by no jid", "/jobs/nonsense"),
    get("one job by a path", "/jobs/..%2f..%2fetc"),
    get("one job, forbidden", "/jobs/<known jid>", session="viewer"),
    Request("jobs by POST", "POST", "/jobs"),
]

KEYS: list[Request] = [
    get("keys", "/keys"),
    get("keys without a token", "/keys", session=None),
    get("keys, forbidden", "/keys", session="viewer"),
    get("one key", "/keys/minion-1"),
    get("keys by a glob", "/keys/minion-*"),
    get("one key that is unknown", "/keys/nobody"),
    post("a key pair", "/keys", {"mid": "new-1", **CREDENTIALS}, session=None, headers=TAR),
    form("a key pair by form", "/keys", [("mid", "new-2"), *CREDENTIALS.items()], session=None),
    form("a key pair of a size", "/keys", [("mid", "new-3"), ("keysize", "2048"), *CREDENTIALS.items()], session=None),
    post("a key pair by token in the low", "/keys", {"mid": "new-4", "token": "<token demo>"}, session=None),
    post("a key pair by session", "/keys", {"mid": "new-5"}),
    post("a key pair, forbidden", "/keys", {"mid": "new-6", **CREDENTIALS, "username": "viewer"}, session=None),
    post("a key pair with a wrong password", "/keys", {"mid": "new-7", **WRONG}, session=None),
    post("a key pair of a known minion", "/keys", {"mid": "minion-1", **CREDENTIALS}, session=None),
    post("a key pair without mid", "/keys", CREDENTIALS, session=None),
    post("a key pair by a path", "/keys", {"mid": "../new-8", **CREDENTIALS}, session=None),
]

RUN: list[Request] = [
    post("run with credentials", "/run", {**ONE, **CREDENTIALS}, session=None),
    post("run with credentials as a list", "/run", [{**ONE, **CREDENTIALS}, {**ONE, **CREDENTIALS}], session=None),
    form("run with credentials by form", "/run", [*ONE.items(), *CREDENTIALS.items()], session=None),
    post("run with a token", "/run", {**ONE, "token": "<token demo>"}, session=None),
    post(
        "run a runner with a token", "/run", low("runner", "test.arg", arg=["one"], token="<token demo>"), session=None
    ),
    post("run a wheel with a token", "/run", low("wheel", "key.list_all", token="<token demo>"), session=None),
    post(
        "run a runner with credentials", "/run", {**low("runner", "test.arg", arg=["one"]), **CREDENTIALS}, session=None
    ),
    post("run a wheel with credentials", "/run", {**low("wheel", "key.list_all"), **CREDENTIALS}, session=None),
    post("run with a session's token in the low", "/run", {**ONE, "token": "<session demo>"}, session=None),
    post("run with a session only", "/run", ONE),
    post("run without anything", "/run", ONE, session=None),
    post("run with a wrong password", "/run", {**ONE, **WRONG}, session=None),
    post("run with a wrong token", "/run", {**ONE, "token": "0" * 64}, session=None),
    post("run with a token of no form", "/run", {**ONE, "token": "nonsense"}, session=None),
    post(
        "run, forbidden",
        "/run",
        {**low("local", "test.arg", "minion-1"), **CREDENTIALS, "username": "viewer"},
        session=None,
    ),
    post("run without a username", "/run", {**ONE, "password": "<password>", "eauth": "sharedsecret"}, session=None),
    get("run by GET", "/run", session=None),
]

HOOK: list[Request] = [
    post("hook", "/hook", {"a": 1}, event="salt/netapi/hook"),
    post("hook with a tag", "/hook/some/tag", {"a": 1}, event="salt/netapi/hook/some/tag"),
    post("hook with a slash at the end", "/hook/some/tag/", {"a": 1}, event="salt/netapi/hook/some/tag"),
    post("hook with two slashes", "/hook/some//tag", {"a": 1}, event="salt/netapi/hook/some"),
    form("hook by form", "/hook/form", [("a", "1"), ("a", "2"), ("b", "x=y")], event="salt/netapi/hook/form"),
    form("hook by form with arg", "/hook/arg", [("arg", "yes"), ("b", "yes")], event="salt/netapi/hook/arg"),
    as_yaml("hook by YAML", "/hook/yaml", {"a": [1]}, event="salt/netapi/hook/yaml"),
    post("hook with a list", "/hook/list", [{"a": 1}, 2], event="salt/netapi/hook/list"),
    post("hook with plain text", "/hook/text", "just words", content="text/plain", event="salt/netapi/hook/text"),
    post("hook with query arguments", "/hook/query?x=1&x=2&y=", {"a": 1}, event="salt/netapi/hook/query"),
    Request("hook without a body", "POST", "/hook/empty", event="salt/netapi/hook/empty"),
    post("hook with another content type", "/hook/xml", "<a/>", content="application/xml"),
    post("hook without a token", "/hook/some/tag", {"a": 1}, session=None),
    get("hook by GET", "/hook/some/tag?x=1"),
]

STREAMS: list[Request] = [
    get("events", "/events", kind=SSE),
    get("events as EventSource asks", "/events", kind=SSE, headers={"Accept": "text/event-stream"}),
    get("events by cookie", "/events", kind=SSE, session=None, headers={"Cookie": "session_id=<session demo>"}),
    get("events by Salt's own token", "/events", kind=SSE, session=None, headers={"X-Auth-Token": "<token demo>"}),
    get("events of a user with few rights", "/events", kind=SSE, session="viewer"),
    get("events without a token", "/events", kind=SSE, session=None),
    get("events with a wrong token", "/events", kind=SSE, session=None, headers={"X-Auth-Token": "0" * 40}),
    get("events with a token in the query", "/events?token=<token demo>", kind=SSE, session=None),
    get("events with a query argument", "/events?x=1", kind=SSE),
    get("events with a token in the path", "/events/<token demo>", kind=SSE, session=None),
    get("all events", "/all_events/<token demo>", kind=WEBSOCKET, session=None),
    get("all events by session", "/all_events", kind=WEBSOCKET),
    get("all events with a wrong token", "/all_events/" + "0" * 64, kind=WEBSOCKET, session=None),
    get("all events with a token of no form", "/all_events/nonsense", kind=WEBSOCKET, session=None),
    get("all events from elsewhere", "/all_events/<token demo>", kind=WEBSOCKET, session=None, headers=PREFLIGHT),
    get("all events without an upgrade", "/all_events/<token demo>", session=None),
    get("formatted events", "/formatted_events/<token demo>", kind=FORMATTED, session=None),
    get("formatted events with a wrong token", "/formatted_events/" + "0" * 64, kind=FORMATTED, session=None),
    get("rest_cherrypy's websocket", "/ws/<session demo>", kind=WEBSOCKET, session=None),
    get("rest_cherrypy's websocket by session", "/ws", kind=WEBSOCKET),
    get("rest_cherrypy's websocket, formatted", "/ws/<session demo>?format_events", kind=FORMATTED, session=None),
    get("rest_cherrypy's websocket with a wrong token", "/ws/" + "0" * 40, kind=WEBSOCKET, session=None),
]

OTHERS: list[Request] = [
    get("stats", "/stats"),
    get("stats without a token", "/stats", session=None),
    get("an unknown path", "/nonsense"),
    get("an unknown path without a token", "/nonsense", session=None),
    post("an unknown path by POST", "/nonsense", {}),
    get("a path with a slash at the end", "/login/", session=None),
    get("the app's path", "/app", session=None),
    Request("a wrong method", "PUT", "/", "{}"),
    Request("a wrong method on minions", "DELETE", "/minions"),
    Request("login by DELETE", "DELETE", "/login", session=None),
    Request("preflight", "OPTIONS", "/", session=None, headers={**PREFLIGHT, **ASKED}),
    Request("preflight of minions", "OPTIONS", "/minions", session=None, headers={**PREFLIGHT, **ASKED}),
    Request("preflight without headers", "OPTIONS", "/", session=None, headers=PREFLIGHT),
    Request(
        "preflight of a method that is not served",
        "OPTIONS",
        "/",
        session=None,
        headers={**PREFLIGHT, **ASKED, "Access-Control-Request-Method": "PUT"},
    ),
    Request("OPTIONS without Origin", "OPTIONS", "/", session=None),
    get("the welcome from elsewhere", "/", session=None, headers={"Origin": "http://elsewhere.example"}),
    post("a command from elsewhere", "/", [ONE], headers={"Origin": "http://elsewhere.example"}),
]

PATHS = [*LOGIN, *TOKEN, *MINIONS, *JOBS, *KEYS, *RUN, *HOOK, *OTHERS, *STREAMS, *LOGOUT]

"""Where the engine answers otherwise than Salt's servers, and on purpose: by the rows of docs/salt-api.md's tables."""

from __future__ import annotations

LOGIN = "`/login` without name or password"
COOKIE = "cookie"
ERRORS = "errors"

DIFFERENCES: dict[str, tuple[str, ...]] = {
    "`GET /` tells": (
        *("welcome", "welcome as JSON", "welcome as YAML", "welcome as anything", "welcome as a browser asks"),
        *("welcome by preference", "welcome with a session", "the welcome from elsewhere"),
    ),
    "`GET /` of a browser": ("welcome as HTML",),
    ERRORS: (
        *(
            "local without fun",
            "local without tgt",
            "a job by minions without fun",
            "lows with something else among them",
        ),
        *("three lows, the second of an unknown client", "three lows, the second disabled"),
        *("three lows, the second without fun", "three lows, the second forbidden", "login with an empty list"),
        *("login without a body", "token without a body", "login with numbers", "run without a username"),
    ),
    "flat keyword arguments of a function on minions": ("local with flat arguments",),
    "`expr_form`": ("local by expr_form",),
    "`fun` as a list of functions": ("local with a list of functions",),
    "a runner's `full_return`": ("runner in full", "runner that fails, in full"),
    "a function that does not exist, of runners and wheels": (
        "runner of an unknown function",
        "wheel of an unknown function",
    ),
    "`arg` and `kwarg` of wheels": (
        *("wheel with named arguments", "wheel with positional arguments", "wheel in full", "wheel that fails"),
    ),
    "a body without a type, or of one that is not known": ("no content type", "hook with another content type"),
    "malformed YAML, or an object's tag in it": (
        *("malformed YAML", "YAML that names an object", "YAML that names an object in a low"),
    ),
    "bodies above 256 KiB (4 KiB without a session)": ("a huge body",),
    "no token": ("no token, from a browser", "minions without a token, in a browser"),
    COOKIE: ("the token as a cookie", "a wrong cookie", "an empty header beside a good cookie"),
    "`Authorization: Bearer`": ("the token as a bearer",),
    "session ids": ("Salt's own token in the header", "run with a session's token in the low"),
    "a token, or credentials, in a low of `POST /`": (
        *("a token in the low, without a session", "another user's token in the low", "a wrong token in the low"),
        *("a token of no form in the low", "credentials in the low, without a session"),
    ),
    "a function that Salt does not permit": ("a forbidden wheel_async",),
    "a login that may do nothing": ("login of a user without rights",),
    LOGIN: ("login without a password", "login without a username", "login with an empty object"),
    "no `eauth`": ("login without eauth",),
    "`POST /token`": ("token of a user without rights",),
    "`GET /run`, `GET /token`, `GET /hook`": ("token by GET", "run by GET", "logout by GET"),
    "`GET /minions`": ("minions", "minions, forbidden", "minions with a slash", "one minion that is away"),
    "`GET /jobs`": ("jobs, forbidden",),
    "`GET /jobs/JID` of an unknown job, or one of no jid's form": (
        *("one job that is unknown", "one job by no jid", "one job by a path", "one job, forbidden"),
    ),
    "`POST /keys`": (
        *("a key pair of a size", "a key pair by session", "a key pair, forbidden", "a key pair with a wrong password"),
        *("a key pair of a known minion", "a key pair without mid", "a key pair by a path"),
        *("run a wheel with a token", "run a wheel with credentials"),
    ),
    "`/stats`": ("stats",),
    "CORS": (
        *("preflight", "preflight of minions", "preflight without headers"),
        *("preflight of a method that is not served", "OPTIONS without Origin"),
    ),
}
"""By that column: the names of the requests (requests.py) whose answers differ for this reason."""

TORNADO: dict[str, str] = {
    "`GET /` tells": r"welcome( .*)?|the welcome from elsewhere",
    "`local_subset`, `local_batch`, `wheel`, `wheel_async`": (
        r"local_(subset|batch).*|wheel.*|run a wheel .*|a forbidden (local_subset|local_batch|wheel|wheel_async)"
    ),
    "`/token`, `/keys`, `/logout`, `/stats`": (
        r"token( .*)?|keys( .*|, .*)?|one key.*|a key pair.*|logout.*|after logging out|stats.*"
    ),
    "`GET /login`": r"login page",
    "`POST /login` with a list": r"login as a list|login with an empty list",
    "`/login` without name or password": r"login without a .*|login with an empty object",
    "no `eauth`": r"login without eauth",
    "a login that may do nothing": r"login of a user without rights",
    "errors": r"login with numbers|client of another type|a number as lows|lows with something else among them",
    "`POST /minions`": r"(a job|jobs) by minions( that names its client|, by form| for nobody)?",
    "`GET /jobs/JID`": r"one job( as YAML)?",
    "`GET /jobs/JID` of an unknown job, or one of no jid's form": r"one job (that is unknown|by no jid|by a path)",
    "`GET /minions`": r"minions( with a slash)?|one minion that is away",
    "a target that matches nobody": (
        r"local of (nobody|a list of nobody)|three lows, the second of nobody|one minion that is unknown"
    ),
    "minions that do not return": (
        r"local of (one that is away(, in full)?|all, one away|a list, one unknown)|local by expr_form"
        r"|a form with a timeout"
    ),
    "`full_return` and `metadata` of a low": (
        r"local (in full|with metadata|that fails, in full|of an unknown function, in full)|a form with full_return"
    ),
    "`arg` and `kwarg` of a form": r"a form with (repeated arg|arguments in YAML|kwarg in YAML)",
    "a low that fails": (
        r"local without (fun|tgt)|runner (of an unknown function|without fun)|a job by minions without fun"
        r"|three lows, the second (without fun|forbidden)"
    ),
    "a function that Salt does not permit": (
        r"a forbidden (local|local_async|runner|runner_async)|(minions|jobs|one job|a job by minions), forbidden"
    ),
    "credentials that are wrong, on `/run`": (
        r"run (without (anything|a username)|with (a wrong password|a wrong token|a token of no form))|run, forbidden"
    ),
    "`/run` with a session only": r"run with a session only",
    "session ids": r"run with a session's token in the low|Salt's own token in the header",
    "`GET /run`, `GET /token`, `GET /hook`": r"run by GET|hook by GET",
    "no body, or one that is no lowstate": r"(no|an empty) body|minions without a body|jobs by POST",
    "no token": (
        r"no token|a wrong token|a token of no form|a wrong cookie|a wrong header beside a good cookie"
        r"|(no token|minions without a token)(, (from|in) a browser)?"
        r"|(a job by minions|jobs|hook|events) without a token|events with a wrong token"
    ),
    "`Authorization: Bearer`": r"the token as a bearer",
    "a token, or credentials, in a low of `POST /`": (
        r"a (wrong )?token (of no form )?in the low(, without a session)?|another user's token in the low"
        r"|credentials in the low, without a session"
    ),
    "a webhook of plain text, or without a body": r"hook (with plain text|without a body)",
    "`HEAD`, and a slash at the end of a path": r"welcome by HEAD|a path with a slash at the end",
    "CORS": r"preflight( of .*)?",
    "`/events` with a query": r"events with a (query argument|token in the query)",
    "`/events` with `Accept: text/event-stream`": r"events as EventSource asks",
    "`/all_events/TOKEN` without an upgrade": r"all events without an upgrade",
    "`/all_events/TOKEN`, `/formatted_events/TOKEN`": r"(all|formatted) events.*",
    "`/ws/TOKEN`": r"rest_cherrypy's websocket.*",
}
"""By the first column of the tables of docs/salt-api.md: which requests rest_tornado answers otherwise than
rest_cherrypy, whose answers are ours; regular expressions of their whole names."""

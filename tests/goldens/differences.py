"""Where the engine answers otherwise than rest_cherrypy, and on purpose: by the rows of docs/salt-api.md's table."""

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
    "`full_return` of a function that failed": ("local that fails, in full", "local of an unknown function, in full"),
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

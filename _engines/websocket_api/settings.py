"""The engine's options, as ``engines: - websocket_api: {...}`` of the master's configuration gives them.

``schemas/settings.json`` is what operators read and what options are checked against; here are the same names and
defaults as types, and the checks that concern several options at once.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import CannotRun

CLIENTS = (
    "local",
    "local_async",
    "local_subset",
    "local_batch",
    "runner",
    "runner_async",
    "wheel",
    "wheel_async",
)
"""Salt's clients that the engine can serve; ``ssh`` is not among them."""

DEFAULT_CLIENTS = ("local", "local_async")

Fault = dict[str, str]


class SettingsSchema(Protocol):
    """What checks options against ``schemas/settings.json`` (contract/schemas.py)."""

    def validate_settings(self, options: Mapping[str, Any]) -> list[Fault]:
        """Return all faults as ``{"path", "message"}``, without values."""
        ...


@dataclass(frozen=True)
class History:
    """What clients can resume from: the first bound that is reached counts. None can be 0."""

    events: int = 100_000
    """Events kept at most."""
    bytes: int = 128 * 1024 * 1024
    """Bytes of memory used for them at most."""
    seconds: float = 300
    """Seconds that they are kept at most."""


@dataclass(frozen=True)
class Limits:
    """What the server bears; none can be 0, for no limit is a way to switch something off."""

    auth_seconds: float = 10
    """Seconds in which a connection must log in, so that strangers do not fill the table of connections (4408)."""
    message_bytes_before_auth: int = 4096
    """Bytes of a message from a connection that has not logged in: enough for a login, too little to harm."""
    message_bytes: int = 256 * 1024
    """Bytes of a message from one that has."""
    subscriptions_per_connection: int = 128
    """Subscriptions: each costs a decision at every event."""
    commands_per_connection: int = 32
    """Requests in flight, so that one client does not keep all threads from the others."""
    control_frames_per_second: int = 10
    """Pings, pongs and small parts of messages of one connection that are read a second: each costs as a message."""
    control_frames_per_second_per_user: int = 500
    """The same of all connections of one user: at most 1 % of the engine's time."""
    subscriptions_per_user: int = 5000
    """Subscriptions of one user, all connections together: each costs a write at every event that it wants."""
    patterns_per_user: int = 2000
    """Patterns in different filters of one user: at worst each is tried at every event, for half a microsecond."""
    look_back_events_per_user: int = 10_000_000
    """Events that look-backs of one user are still to look at: about ten seconds of the loop, in turns."""
    connections: int = 10_000
    """Connections at once; lowered to the limit of open files less 200."""
    unauthenticated_per_address: int = 500
    """Connections of one address that have not logged in."""
    outbox_bytes: int = 8 * 1024 * 1024
    """Bytes that may wait for one slow connection before its subscriptions' ``overflow`` decides."""
    outbox_frames: int = 4096
    """Frames that may wait for one slow connection before its subscriptions' ``overflow`` decides."""
    ping_seconds: float = 25
    """Seconds between two pings of a connection: less than the 30 after which many proxies close quiet ones."""
    pong_seconds: float = 10
    """Seconds that the answer to a ping may take before the connection counts as dead."""
    login_failures_per_minute: int = 10
    """Failed logins of one name from one address, in a minute."""
    login_failures_per_address_per_minute: int = 60
    """Failed logins of one address whatever the name, in a minute."""
    master_seconds: float = 8
    """Seconds to wait for an answer of the master."""
    jobs: int = 10_000
    """Jobs kept in memory; older ones are read from the master's job cache."""
    threads: int = 8
    """Blocking calls of Salt that run at once, logins apart."""
    login_threads: int = 4
    """Logins that are checked at once: a wrong password may take seconds, and must not hold up commands."""
    batch_requests: int = 100_000
    """Requests of one batch; ten times as many of all batches that run."""
    channels: int = 8
    """Request channels to the master that are kept open; never more than the master's ``worker_threads``."""
    jobs_in_flight: int = 1000
    """Jobs of all users, those of batches apart, that were started within 5 s and have not ended; others wait. It is
    more than a master publishes in that time."""
    runners_in_flight: int = 20
    """Runners of all users that were started within 5 s and have not ended: each is a process of the master."""
    batch_jobs_in_flight: int = 50
    """Jobs of all users' batches that have not ended; what has no place is not published, and a cancel drops it."""
    commands_per_user: int = 1000
    """Requests in flight of one user, all connections together."""
    connections_per_user: int = 5000
    """Connections of one user; never more than half of ``connections``, so that the others can come."""


@dataclass(frozen=True)
class Settings:
    """Every option, checked. Lists are tuples; ``load`` makes one from the master's configuration."""

    port: int = 8000
    """TCP port; 0: any free one."""
    address: str = "127.0.0.1"
    """Address to listen on; beyond loopback only with TLS or ``disable_ssl``."""
    ssl_crt: str | None = None
    """Path of the certificate chain in PEM; None: no TLS. Always None with ``disable_ssl``."""
    ssl_key: str | None = None
    """Path of its key in PEM; None: the key is in ``ssl_crt``. Always None with ``disable_ssl``."""
    disable_ssl: bool = False
    """Serve without TLS, whatever the address."""
    cors_origin: tuple[str, ...] = ()
    """Origins that browsers may come from beside our own, or ``("*",)`` for all, then never with the cookie."""
    allow_from: tuple[str, ...] | None = None
    """Networks in CIDR form that may connect; None: all."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names, beside addresses and localhost, that requests may have in ``Host``; empty: any."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks in CIDR form whose X-Forwarded-For and X-Forwarded-Proto are believed; empty: none."""
    eauth: str = "pam"
    """Backend of a login that names none."""
    clients: tuple[str, ...] = DEFAULT_CLIENTS
    """Salt's clients that may be used; empty: none."""
    schemas: str = "salt://schemas"
    """Address on the master's file server, or local directory, of the schemas."""
    console: str = "salt://websocket_api/console"
    """Address on the master's file server, or local directory, of the web console."""
    saltenv: str = "base"
    """Environment of the file server for the two above."""
    history: History = field(default_factory=History)
    """What clients can resume from."""
    limits: Limits = field(default_factory=Limits)
    """What the server bears."""
    token_check: float = 30
    """Seconds between two looks whether the tokens in use are still in Salt's store."""
    batch_keep: float = 7
    """Days that ended batches are kept; 0: not at all."""
    metrics: bool = True
    """Count and show what the server does."""
    webhook_disable_auth: bool = False
    """Take webhooks without a token."""
    allow_ret: bool = False
    """Let clients name returners that minions send their returns to."""
    app: str | None = None
    """Path of a web app's HTML file; None: none is served."""
    app_path: str | None = None
    """URL path of ``app``; None: /app."""
    static: str | None = None
    """Directory of the web app's further files; None: none is served."""
    static_path: str | None = None
    """URL path of ``static``; None: /static."""
    audit_args: bool = False
    """Write functions' arguments into the audit log, where they may be secrets."""

    @classmethod
    def faults(cls, options: Mapping[str, Any], schema: SettingsSchema) -> list[Fault]:
        """Return all that is wrong with the engine's own options, none of their values."""
        faults = schema.validate_settings(options)
        wrong = {fault["path"].split("/")[1] for fault in faults if fault["path"]}
        sound = {name: value for name, value in options.items() if name not in wrong}
        # An option that is wrong by itself says nothing about others.
        faults += [fault for names, fault in _contradictions(sound) if wrong.isdisjoint(names)]
        return faults

    @classmethod
    def load(cls, options: Mapping[str, Any], opts: Mapping[str, Any], schema: SettingsSchema) -> Settings:
        """Return the settings that the master's configuration asks for.

        :param options: the engine's own options
        :param opts: the master's configuration
        :param schema: what checks the options one by one
        :raises CannotRun: options are wrong; all faults are named at once, none of their values
        """
        faults = cls.faults(options, schema)
        if faults:
            named = "; ".join(f"{fault['path'].strip('/').replace('/', '.')} {fault['message']}" for fault in faults)
            raise CannotRun(
                f"wrong options: {named}. Mend them under engines, websocket_api in the master's configuration "
                "and restart the master"
            )
        return cls(**_normal(options, opts))


def _contradictions(options: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Fault]]:
    """Yield what no look at a single option can find, with the options that it is about."""
    if options.get("ssl_key") and not options.get("ssl_crt"):
        yield ("ssl_key", "ssl_crt"), {"path": "/ssl_key", "message": "needs ssl_crt"}
    address = options.get("address", Settings.address)
    if not (_is_loopback(address) or options.get("ssl_crt") or options.get("disable_ssl")):
        sentence = "can be reached from other hosts: set ssl_crt and ssl_key, or disable_ssl for a proxy that does TLS"
        yield ("address", "ssl_crt", "disable_ssl"), {"path": "/address", "message": sentence}
    origins = _listed(options.get("cors_origin"))
    if "*" in origins and len(origins) > 1:
        yield ("cors_origin",), {"path": "/cors_origin", "message": "is * for all origins or a list of some, not both"}
    for name in ("allow_from", "trusted_proxies"):
        for place, text in enumerate(options.get(name) or ()):
            if _network(text) is None:
                sentence = "must be a network such as 10.0.0.0/8, with no bits set beyond its prefix"
                yield (name,), {"path": f"/{name}/{place}", "message": sentence}
    limits = {**Limits().__dict__, **options.get("limits", {})}
    for smaller, larger in (
        ("message_bytes_before_auth", "message_bytes"),
        ("login_failures_per_minute", "login_failures_per_address_per_minute"),
    ):
        if limits[smaller] > limits[larger]:
            yield ("limits",), {"path": f"/limits/{smaller}", "message": f"must be at most {larger}"}


def _normal(options: Mapping[str, Any], opts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with tuples for lists and objects for what is nested."""
    values = dict(options)
    values["history"] = History(**options.get("history", {}))
    values["limits"] = Limits(**options.get("limits", {}))
    values["cors_origin"] = _listed(options.get("cors_origin"))
    values["allowed_hosts"] = _listed(options.get("allowed_hosts"))
    values["trusted_proxies"] = tuple(str(_network(text)) for text in options.get("trusted_proxies") or ())
    allowed = options.get("allow_from")
    values["allow_from"] = None if allowed is None else tuple(str(_network(text)) for text in allowed)
    values["clients"] = _clients(options.get("clients"), opts)
    if options.get("disable_ssl"):
        values["ssl_crt"] = values["ssl_key"] = None
    return values


def _clients(wanted: Iterable[str] | None, opts: Mapping[str, Any]) -> tuple[str, ...]:
    if wanted is not None:
        return tuple(dict.fromkeys(wanted))
    # Salt's own default is an empty list: a master that sets nothing cannot be told from one that sets that.
    listed = opts.get("netapi_enable_clients")
    return tuple(name for name in CLIENTS if name in listed) if listed else DEFAULT_CLIENTS


def _listed(value: str | Iterable[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(dict.fromkeys(value))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"  # where any other name leads to is not ours to know

"""The engine's options, from ``engines: - websocket_api: {...}`` in the master's configuration.

``schemas/settings.json`` describes and checks each option. This module has the same names and defaults as types, and
the checks that concern several options at once.
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
"""Salt's clients that the engine supports; ``ssh`` is not supported."""

DEFAULT_CLIENTS = ("local", "local_async")

Fault = dict[str, str]


class SettingsSchema(Protocol):
    """Checks options against ``schemas/settings.json`` (contract/schemas.py)."""

    def validate_settings(self, options: Mapping[str, Any]) -> list[Fault]:
        """Return all faults as ``{"path", "message"}``, without the values of options."""
        ...


@dataclass(frozen=True)
class History:
    """The history that clients resume from. The first limit that is reached counts; none can be 0."""

    store: str = "memory"
    """``disk``: keep it over a restart, in the journal (journaling.py); ``memory``: do not."""

    events: int = 100_000
    """Maximum number of events."""
    bytes: int = 128 * 1024 * 1024
    """Maximum bytes of memory for the events."""
    seconds: float = 300
    """Maximum age of an event in seconds."""
    share: str | None = None
    """URL of the Redis by which several masters share one stream of events; None: this master's events only."""


@dataclass(frozen=True)
class Limits:
    """Limits of the server. None can be 0: a limit cannot switch a feature off."""

    auth_seconds: float = 10
    """Seconds until a connection must log in, or it is closed (4408). Others must not use up all connections."""
    message_bytes_before_auth: int = 4096
    """Bytes of a message before the login: enough to log in, too little to do harm."""
    message_bytes: int = 256 * 1024
    """Bytes of a message after the login."""
    subscriptions_per_connection: int = 128
    """Subscriptions of one connection. Each one costs a decision at every event."""
    commands_per_connection: int = 32
    """Requests in flight of one connection, so that one client cannot use all threads."""
    control_frames_per_second: int = 10
    """Pings, pongs and message fragments read per second and connection. Each one costs as much as a message."""
    control_frames_per_second_per_user: int = 500
    """The same for all connections of one user: at most 1 % of the engine's time."""
    subscriptions_per_user: int = 5000
    """Subscriptions of one user on all connections. Each one costs a write at every matching event."""
    patterns_per_user: int = 2000
    """Patterns in different filters of one user. At worst each one is tried at every event, for 0.5 µs."""
    memory_per_user: int = 256 * 1024 * 1024
    """Bytes of memory of one user on all connections: what waits for slow clients, large messages in work, and large
    replies. Beyond that, the user's own requests are refused and slow connections are closed."""
    look_back_events_per_user: int = 10_000_000
    """Events that queries of the history by one user still have to examine: about ten seconds of loop time."""
    connections: int = 10_000
    """Open connections. At most the limit of open files minus 200."""
    unauthenticated_per_address: int = 500
    """Connections from one address before their login."""
    outbox_bytes: int = 8 * 1024 * 1024
    """Bytes that may wait for a slow connection. Beyond that, ``overflow`` of its subscriptions applies."""
    outbox_frames: int = 4096
    """Frames that may wait for a slow connection. Beyond that, ``overflow`` of its subscriptions applies."""
    ping_seconds: float = 25
    """Seconds between two pings: less than the 30 s after which many proxies close quiet connections."""
    pong_seconds: float = 10
    """Seconds until a connection without an answer to a ping counts as dead."""
    login_failures_per_minute: int = 10
    """Failed logins per minute with one name from one address."""
    login_failures_per_address_per_minute: int = 60
    """Failed logins per minute from one address, with any name."""
    master_seconds: float = 8
    """Seconds to wait for an answer of the master."""
    jobs: int = 10_000
    """Jobs in memory. Older jobs are read from the master's job cache."""
    threads: int = 8
    """Blocking calls of Salt at the same time, without logins."""
    login_threads: int = 4
    """Logins checked at the same time. A wrong password can take seconds, and must not delay commands."""
    batch_requests: int = 100_000
    """Requests of one batch. All running batches together may have ten times as many."""
    channels: int = 8
    """Open request channels to the master. Never more than the master's ``worker_threads``."""
    jobs_in_flight: int = 1000
    """Running jobs of all users that were started in the last 5 s, without jobs of batches. Further jobs wait. A master
    cannot publish as many in that time."""
    runners_in_flight: int = 20
    """Running runners of all users that were started in the last 5 s. Each one is a process of the master."""
    batch_jobs_in_flight: int = 50
    """Running jobs of all batches. Further jobs are not published yet, so a cancel drops them."""
    commands_per_user: int = 1000
    """Requests in flight of one user on all connections."""
    connections_per_user: int = 5000
    """Connections of one user. Never more than half of ``connections``, so that other users can connect."""


@dataclass(frozen=True)
class Settings:
    """All options, checked. Lists are tuples. ``load`` reads the master's configuration."""

    port: int = 8000
    """TCP port; 0: any free one."""
    address: str = "127.0.0.1"
    """Address to listen on. Any address but loopback needs TLS or ``disable_ssl``."""
    ssl_crt: str | None = None
    """Path of the certificate chain in PEM; None: no TLS. Always None with ``disable_ssl``."""
    ssl_key: str | None = None
    """Path of the key in PEM; None: the key is in ``ssl_crt``. Always None with ``disable_ssl``."""
    disable_ssl: bool = False
    """Serve without TLS on any address."""
    cors_origin: tuple[str, ...] = ()
    """Origins that browsers may come from, in addition to the engine's own. ``("*",)``: all, but without the cookie."""
    allow_from: tuple[str, ...] | None = None
    """Networks in CIDR form that may connect; None: all."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names allowed in ``Host``, in addition to addresses and localhost; empty: any."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks in CIDR form whose X-Forwarded-For and X-Forwarded-Proto are trusted; empty: none."""
    eauth: str = "pam"
    """Default backend of logins."""
    clients: tuple[str, ...] = DEFAULT_CLIENTS
    """Salt's clients that may be used; empty: none."""
    schemas: str = "salt://websocket_api/schemas"
    """Address on the master's file server, or local directory, of the schemas."""
    console: str = "salt://websocket_api/console"
    """Address on the master's file server, or local directory, of the web console."""
    saltenv: str = "base"
    """Environment of the file server for ``schemas`` and ``console``."""
    history: History = field(default_factory=History)
    """The history: its limits, and where it is kept."""
    limits: Limits = field(default_factory=Limits)
    """Limits of the server."""
    token_check: float = 30
    """Seconds between two checks whether Salt still has the tokens in use."""
    batch_keep: float = 7
    """Days until batches that have ended are deleted; 0: at once."""
    metrics: bool = True
    """Serve metrics."""
    metrics_highstates: int = 0
    """Minions whose last highstate is among the metrics; 0: none."""
    webhook_disable_auth: bool = False
    """Accept webhooks without a token."""
    allow_ret: bool = False
    """Let clients choose returners for the returns of minions."""
    app: str | None = None
    """Path of a web app's HTML file; None: none is served."""
    app_path: str | None = None
    """URL path of ``app``; None: /app."""
    static: str | None = None
    """Directory of the web app's other files; None: none is served."""
    static_path: str | None = None
    """URL path of ``static``; None: /static."""
    uvloop: bool = True
    """Serve on uvloop's event loop if the package is installed."""
    audit_args: bool = False
    """Write the arguments of functions into the audit log. They may contain secrets."""

    @classmethod
    def faults(cls, options: Mapping[str, Any], schema: SettingsSchema) -> list[Fault]:
        """Return all faults of the engine's own options, without their values."""
        faults = schema.validate_settings(options)
        wrong = {fault["path"].split("/")[1] for fault in faults if fault["path"]}
        valid = {name: value for name, value in options.items() if name not in wrong}
        # An invalid option cannot contradict others.
        faults += [fault for names, fault in _contradictions(valid) if wrong.isdisjoint(names)]
        return faults

    @classmethod
    def load(cls, options: Mapping[str, Any], opts: Mapping[str, Any], schema: SettingsSchema) -> Settings:
        """Return the settings from the master's configuration.

        :param options: the engine's own options
        :param opts: the master's configuration
        :param schema: checks the options one by one
        :raises CannotRun: options are wrong; the message names all faults, without values
        """
        faults = cls.faults(options, schema)
        if faults:
            named = "; ".join(f"{fault['path'].strip('/').replace('/', '.')} {fault['message']}" for fault in faults)
            raise CannotRun(
                f"wrong options: {named} (correct them under engines, websocket_api in the master's configuration, "
                "then restart the master, or repeat the reload)"
            )
        return cls(**_normal(options, opts))


def _contradictions(options: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Fault]]:
    """Yield faults that concern several options, each with the names of these options."""
    if options.get("ssl_key") and not options.get("ssl_crt"):
        yield ("ssl_key", "ssl_crt"), {"path": "/ssl_key", "message": "needs ssl_crt"}
    address = options.get("address", Settings.address)
    if not (_is_loopback(address) or options.get("ssl_crt") or options.get("disable_ssl")):
        sentence = "can be reached from other hosts: set ssl_crt and ssl_key, or disable_ssl behind a proxy with TLS"
        yield ("address", "ssl_crt", "disable_ssl"), {"path": "/address", "message": sentence}
    origins = _listed(options.get("cors_origin"))
    if "*" in origins and len(origins) > 1:
        yield (
            ("cors_origin",),
            {"path": "/cors_origin", "message": "must be either * for all origins, or a list of some"},
        )
    for name in ("allow_from", "trusted_proxies"):
        for index, text in enumerate(options.get(name) or ()):
            if _network(text) is None:
                sentence = "must be a network such as 10.0.0.0/8, with no bits set beyond its prefix"
                yield (name,), {"path": f"/{name}/{index}", "message": sentence}
    limits = {**Limits().__dict__, **options.get("limits", {})}
    for smaller, larger in (
        ("message_bytes_before_auth", "message_bytes"),
        ("login_failures_per_minute", "login_failures_per_address_per_minute"),
    ):
        if limits[smaller] > limits[larger]:
            yield ("limits",), {"path": f"/limits/{smaller}", "message": f"must be at most {larger}"}


def _normal(options: Mapping[str, Any], opts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with tuples instead of lists, and objects instead of nested mappings."""
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
    # Salt's default is an empty list, so an empty list may mean that the option is not set.
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
        return address == "localhost"  # other names may resolve to any address

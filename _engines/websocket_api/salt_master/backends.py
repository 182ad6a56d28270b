"""Warns at start if nobody can log in, or not in the way that the configuration promises."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import salt.loader

log = logging.getLogger(__name__)


def warn(opts: dict[str, Any], eauth: str) -> None:
    """Log each backend of external authentication that cannot work. Imports the backends, so it may take a second.

    :param eauth: the default backend
    """
    backends = opts.get("external_auth")
    if not isinstance(backends, Mapping) or not backends:
        log.warning("nobody can log in: external_auth is empty; grant permissions there and restart the master")
        return
    if eauth not in backends:
        log.warning(
            "logins that name no eauth fail: the option eauth is %s, and external_auth has %s; set it to one of them",
            eauth,
            ", ".join(sorted(map(str, backends))),
        )
    known = salt.loader.auth(opts)
    for name in sorted(map(str, backends)):
        if f"{name}.auth" not in known:
            log.warning(
                "logins with %s fail: Salt cannot load this backend; check its name, and what it needs installed",
                name,
            )

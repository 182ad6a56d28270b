"""The demo's folder .demo/: configuration, keys, caches, sockets and logs of its daemons.

Each start writes all of it but .demo/states/, where people try their own states.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
DEMO = CHECKOUT / ".demo"
ENGINES = CHECKOUT / "_engines"
PASSWORD = "demo"  # noqa: S105 - it is printed, and useless outside 127.0.0.1
USERS: dict[str, list[str]] = {
    "demo": [".*", "@runner", "@wheel", "@jobs", "@events", "@fire"],
    "viewer": ["test.ping"],
}
CLIENTS = ["local", "local_async", "local_subset", "local_batch", "runner", "runner_async", "wheel", "wheel_async"]
EXAMPLES = {
    "top.sls": """\
# The demo keeps this folder: change these states, add your own, and run them with state.apply on the minions.
base:
  '*':
    - hello
""",
    "hello.sls": """\
hello_note:
  test.show_notification:
    - text: This is {{ grains.id }} on {{ grains.os }}.

hello_file:
  file.managed:
    - name: {{ opts.cachedir }}/hello    # below .demo/cache/
    - contents: Hello from {{ grains.id }}.
    - require:
        - test: hello_note

hello_slow:
  cmd.run:
    - name: sleep 2
    - require:
        - file: hello_file
""",
}
"""A small highstate to try, by the name of its file in .demo/states/."""
SOCKET_PATH_BYTES = 107  # the kernel's limit for the path of a unix socket
SOCKET_NAME_BYTES = 50  # for Salt's longest name below its root: run/minion_event_<hash>_pub.ipc

# Printable for Python, but without width: fillers, variation selectors and joiners.
FILLERS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


class DemoError(Exception):
    """The demo cannot continue. The text is for the user who started it."""


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Lock .demo/ for this run: two masters in one folder would overwrite each other's keys and sockets."""
    DEMO.mkdir(mode=0o700, exist_ok=True)
    with (DEMO / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError("a demo already runs in this checkout") from None
        yield


@contextlib.contextmanager
def short_root() -> Iterator[Path]:
    """Yield a path to .demo/ that is short enough for the unix sockets below it."""
    if len(os.fsencode(DEMO)) + SOCKET_NAME_BYTES <= SOCKET_PATH_BYTES:
        yield DEMO
        return
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        link = Path(folder, "d")
        link.symlink_to(DEMO)
        yield link


def make_key(private: Path, public: Path) -> None:
    """Create a key pair if it is missing. Salt 3008.3's own `salt-key --gen-keys` fails after writing."""
    if private.exists() and public.exists():
        return
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private.unlink(missing_ok=True)
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.TraditionalOpenSSL, plain))
    public.write_bytes(key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo))


def common(root: Path, name: str) -> dict[str, Any]:
    """Return the options that keep a daemon inside its own part of .demo/."""
    return {
        "user": pwd.getpwuid(os.getuid()).pw_name,
        "root_dir": str(root),
        "pki_dir": str(root / "pki" / name),
        "cachedir": str(root / "cache" / name),
        "extension_modules": str(root / "cache" / name / "extmods"),
        "sock_dir": str(root / "run"),
        "pidfile": str(root / "run" / f"{name}.pid"),
        "log_file": str(root / "log" / name),
        "log_level": "quiet",  # on the terminal; the log file has everything
        "log_level_logfile": "info",
    }


def master_options(root: Path, port: int, publish_port: int, ret_port: int) -> dict[str, Any]:
    return {
        **common(root, "master"),
        "interface": "127.0.0.1",
        "publish_port": publish_port,
        "ret_port": ret_port,
        "worker_threads": 3,
        "presence_events": True,
        # People's own states, then links to the parts that a real master serves.
        "file_roots": {"base": [str(root / "states"), str(root / "files")]},
        "engines_dirs": [str(ENGINES)],
        "runner_dirs": [str(CHECKOUT / "_runners")],
        "engines": [{"websocket_api": {"port": port, "eauth": "sharedsecret"}}],
        "netapi_enable_clients": CLIENTS,
        "sharedsecret": PASSWORD,
        "external_auth": {"sharedsecret": USERS},
    }


def minion_options(root: Path, name: str, publish_port: int, ret_port: int) -> dict[str, Any]:
    return {
        **common(root, name),
        "id": name,
        "master": "127.0.0.1",
        "master_port": ret_port,
        "publish_port": publish_port,
        "module_dirs": [str(CHECKOUT / "_modules")],
        "mine_enabled": False,  # its schedule would put jobs on the bus
        "enable_fqdns_grains": False,  # slow where names do not resolve
        "enable_gpu_grains": False,
    }


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:  # all are held until the end, so that they differ
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def clear(folder: Path) -> Path:
    """Make the folder, or empty it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return folder


def link_project() -> None:
    """Link the project's folders into .demo/files/. Whatever else is there stays, for earlier demos served it."""
    files = DEMO / "files"
    files.mkdir(parents=True, exist_ok=True)
    for path in files.iterdir():
        if path.is_symlink() and path.readlink().parent == CHECKOUT:
            path.unlink()
    for name in ("websocket_api", "_engines", "_modules", "_runners", "_states"):
        if (CHECKOUT / name).exists() and not (files / name).exists():
            (files / name).symlink_to(CHECKOUT / name)


def write_examples() -> None:
    """Write the example highstate, unless the folder of states is there: it belongs to the person who tries states."""
    states = DEMO / "states"
    if not states.exists():
        states.mkdir()
        for name, text in EXAMPLES.items():
            (states / name).write_text(text)


def lay_out(root: Path, port: int, minions: list[str]) -> None:
    """Write the configs and keys; the minions' keys are accepted before anything runs.

    :param root: the path of .demo/ for the daemons
    :param port: where the engine listens
    :param minions: the ids of the minions
    """
    clear(DEMO / "log")
    clear(DEMO / "run")
    link_project()
    write_examples()
    accepted = clear(DEMO / "pki" / "master" / "minions")
    publish_port, ret_port = free_ports(2)
    configs = {DEMO / "etc" / "master": master_options(root, port, publish_port, ret_port)}
    for name in minions:
        keys = DEMO / "pki" / name
        keys.mkdir(exist_ok=True)
        make_key(keys / "minion.pem", keys / "minion.pub")
        (accepted / name).write_bytes((keys / "minion.pub").read_bytes())
        configs[DEMO / "etc" / name / "minion"] = minion_options(root, name, publish_port, ret_port)
    for path, options in configs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(options, indent=2) + "\n")  # JSON is YAML


def visible(text: str) -> str:
    """Return text of another machine with escapes for control characters and invisible characters."""
    return "".join(c if c in "\n\t" or (c.isprintable() and not FILLERS.match(c)) else ascii(c)[1:-1] for c in text)


def tail(name: str) -> str:
    """Return the last lines of a daemon's log and output."""
    parts = []
    for path in (DEMO / "log" / name, DEMO / "log" / f"{name}.out"):
        lines = path.read_text(errors="replace").splitlines()[-30:] if path.exists() else []
        if lines:
            parts.append("\n".join([f"-- the end of {path.relative_to(CHECKOUT)}:", *lines]))
    return "\n".join(parts)

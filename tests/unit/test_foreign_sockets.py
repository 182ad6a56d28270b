"""Tests shut down connections of other processes, and touch nothing else of them."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.foreign_sockets import shut_down

LOCKING = """
import fcntl, socket, sys
lock = open(sys.argv[2], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
    one.connect(sys.argv[1])
    other.connect(sys.argv[1] + "-other")
    print("connected", flush=True)
    print(one.recv(1), flush=True)
    other.sendall(b"x")
    sys.stdin.read()
"""
SECONDS = 30.0


def test_only_the_connections_to_one_socket_end(tmp_path: Path) -> None:
    """The process goes on, and no copy of its files stays here: its lock ends with it."""
    path, lock = str(tmp_path / "s"), tmp_path / "lock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        for one, where in ((listener, path), (other, f"{path}-other")):
            one.bind(where)
            one.listen()
            one.settimeout(SECONDS)
        command = [sys.executable, "-c", LOCKING, path, str(lock)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "connected\n"
            try:
                assert shut_down(process.pid, path) == 1
            except PermissionError:
                process.kill()
                pytest.skip("this process may not trace its child")
            assert process.stdout.readline() == "b''\n"
            accepted, _ = other.accept()
            with accepted:
                accepted.settimeout(SECONDS)
                assert accepted.recv(1) == b"x"
            process.communicate(timeout=SECONDS)
    with lock.open() as mine:
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)

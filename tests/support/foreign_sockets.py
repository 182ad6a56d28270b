"""Connections of another process, which this one may shut down as if the other end had closed them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from pathlib import Path

PIDFD_GETFD = 438  # since Linux 5.6, the same number on all architectures
_libc = ctypes.CDLL(None, use_errno=True)


def _copy(pidfd: int, number: int) -> socket.socket:
    """Return a copy of another process's socket; both are the same connection.

    :raises OSError: this process may not trace the other one, or the file is closed by now
    """
    copy = _libc.syscall(PIDFD_GETFD, pidfd, number, 0)
    if copy < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    try:
        return socket.socket(fileno=copy)
    except OSError:  # another file has the number by now
        os.close(copy)
        raise


def shut_down(pid: int, path: str) -> int:
    """Shut down the connections of a process to a unix socket; return how many there were.

    :param path: where the other end listens
    :raises PermissionError: this process may not trace the other one
    """
    pidfd = os.pidfd_open(pid)
    try:
        # A copy of any other file would keep its locks, because this process then has it open too.
        files = [entry for entry in Path(f"/proc/{pid}/fd").iterdir() if _is_socket(entry)]
        return sum(_shut_down(pidfd, int(entry.name), path) for entry in files)
    finally:
        os.close(pidfd)


def _is_socket(entry: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.readlink(entry).startswith("socket:")
    return False


def _shut_down(pidfd: int, number: int, path: str) -> bool:
    try:
        with _copy(pidfd, number) as one:
            if one.family == socket.AF_UNIX and one.getpeername() == path:
                one.shutdown(socket.SHUT_RDWR)
                return True
    except PermissionError:
        raise
    except OSError:  # it is closed, or not connected
        pass
    return False

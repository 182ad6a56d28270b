"""A program on a terminal of its own, driven as a person would."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from types import TracebackType

PATIENCE = 60.0  # seconds for what a loaded machine does late


class Terminal:
    """A program with a controlling terminal, so that Ctrl-C reaches it as a signal.

    :param command: the program and its arguments
    :param columns: how wide the terminal is
    """

    def __init__(self, command: list[str], env: dict[str, str], columns: int = 80) -> None:
        self.text = ""
        self.code: int | None = None
        self._seen = 0
        self.pid, self._file = pty.fork()
        if self.pid == 0:
            with contextlib.suppress(OSError):
                os.execve(command[0], command, env)
            os._exit(127)
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._file)

    def expect(self, text: str) -> str:
        """Wait until the program has written text after what was expected last; return all up to it."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.text[self._seen :]:
            if not self._read(deadline):
                raise AssertionError(
                    f"no {text!r} after {self.text[: self._seen][-200:]!r}: {self.text[self._seen :]!r}"
                )
        end = self.text.index(text, self._seen) + len(text)
        found, self._seen = self.text[self._seen : end], end
        return found

    def type(self, text: str) -> None:
        """Type text; ``\\x03`` is Ctrl-C."""
        os.write(self._file, text.encode())

    def end(self) -> int:
        """Wait for the end of the program; return its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def _read(self, deadline: float) -> bool:
        """Read what the program writes next; return whether there was anything before its end."""
        ready, _, _ = select.select([self._file], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"nothing more came: {self.text[-500:]!r}")
        try:
            content = os.read(self._file, 65536)
        except OSError:  # Linux reports the end of the program so
            return False
        self.text += content.decode(errors="replace")
        return bool(content)

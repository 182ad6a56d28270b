"""Salt's own commands without their start: a process that has Salt imported forks one child for each of them.

Run as a program with JSON lines: ``{"words": [program, *arguments], "out": path, "err": path}``; each is answered by
the exit code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

MAIN = {"salt": "salt_main", "salt-run": "salt_run", "salt-key": "salt_key"}


class SaltCommands:
    """Salt's commands on a master.

    :param config_dir: the folder of the master's configuration
    :param folder: where the output of the commands is kept
    """

    def __init__(self, config_dir: Path, folder: Path) -> None:
        self._config_dir = config_dir
        self._out, self._err = folder / "out", folder / "err"
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command, such as ``["salt", "*", "test.ping"]``, to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        program, *arguments = words
        command = [program, "-c", str(self._config_dir), *arguments]
        self._process.stdin.write(json.dumps({"words": command, "out": str(self._out), "err": str(self._err)}) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(command, code, self._out.read_text("utf-8"), self._err.read_text("utf-8"))

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait(20)


def _main() -> None:
    import salt.cli.key
    import salt.cli.run
    import salt.cli.salt
    import salt.client
    import salt.loader
    import salt.output
    import salt.runner
    import salt.scripts

    for line in sys.stdin:
        asked = json.loads(line)
        if child := os.fork():
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        else:
            _become(asked, salt.scripts)


def _become(asked: dict[str, Any], scripts: Any) -> None:
    """Run the command in this child, as the program does, and end it."""
    for path, number in ((os.devnull, 0), (asked["out"], 1), (asked["err"], 2)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = asked["words"]
    code: Any = 0
    try:
        getattr(scripts, MAIN[sys.argv[0]])()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _main()

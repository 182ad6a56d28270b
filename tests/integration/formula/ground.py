"""The parts of a host: Salt's Python environment, and accounts and services of this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.formula.host import Host

ENGINE_NEEDS = ("jsonschema", "orjson", "google-re2", "referencing", "rpds-py", "jsonschema-specifications")

needs_services = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make accounts and services"),
    pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="services are made for a host without systemd"),
]

SERVICE = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:
# Required-Stop:
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: {program} of a test
### END INIT INFO
running() {{ pid=$(cat {pid_file} 2>/dev/null) && kill -0 "$pid" 2>/dev/null; }}
stop() {{ if running; then kill "$pid"; while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; fi; }}
case $1 in
    start) running || {command} -d ;;
    stop) stop ;;
    restart) stop; {command} -d ;;
    status) running ;;
esac
"""

# What the packages' Python runs when it starts: it says where it is, and puts first what salt-pip installed.
ONEDIR_PTH = """\
import sys, pathlib; sys.RELENV = pathlib.Path({root!r})
import os, sys; sys.path.insert(0, os.environ.get("SALT_EXTRAS_DIR") or {extras!r})
"""

SALT_PIP = """\
#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/bin/python3" -c "from salt.scripts import salt_pip; salt_pip()" "$@"
"""


def system_python() -> str | None:
    """Return this machine's own Python of the version of the tests, which every user may run, or None."""
    python = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    return python if Path(python).exists() else None


@contextlib.contextmanager
def service(host: Host, program: str, pid_file: Path) -> Iterator[str]:
    """Install a service on this machine that runs one of the host's daemons; yield its name."""
    name = f"wsf-{program}-{os.getpid()}"
    script = Path("/etc/init.d", name)
    command = f"{host.shell(program)} -c {host.config}"
    script.write_text(SERVICE.format(name=name, program=program, pid_file=pid_file, command=command))
    script.chmod(0o755)
    try:
        yield name
    finally:
        subprocess.run([script, "stop"], check=False)
        script.unlink()
        subprocess.run(["update-rc.d", "-f", name, "remove"], check=False, capture_output=True)


@contextlib.contextmanager
def onedir() -> Iterator[Path]:
    """Yield the Python of a folder with the layout of Salt's packages, without the engine's requirements.

    The folder has ``salt-pip`` and ``extras-3.x``. The Python is this machine's own, and not a relocated one.
    """
    with tempfile.TemporaryDirectory(prefix="wso-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield make_onedir(Path(folder, "salt"))


def make_onedir(root: Path, seen_at: Path | None = None) -> Path:
    """Lay out such a folder and return its Python.

    :param root: the folder, which does not exist yet
    :param seen_at: its path where it will be used; by default the same
    """
    subprocess.run([system_python() or "", "-m", "venv", "--without-pip", "--copies", str(root)], check=True)
    (packages,) = root.glob("lib/python3*/site-packages")
    packages.rmdir()
    _copy(Path(sys.prefix).resolve() / packages.relative_to(root), packages)
    python = root / "bin" / "python3"
    uninstall(python, *ENGINE_NEEDS)
    extras(python).mkdir()
    used = (seen_at or root) / "bin" / "python3"
    (packages / "onedir.pth").write_text(ONEDIR_PTH.format(root=str(used.parents[1]), extras=str(extras(used))))
    (root / "salt-pip").write_text(SALT_PIP)
    (root / "salt-pip").chmod(0o755)
    return python


def extras(python: Path) -> Path:
    """Return the folder that salt-pip installs into."""
    return python.parents[1] / f"extras-{sys.version_info[0]}.{sys.version_info[1]}"


def _copy(source: Path, target: Path) -> None:
    """Copy a folder with hard links, which takes a second and not a minute. pip replaces files, and changes none."""
    for way in ("-al", "-a"):
        if subprocess.run(["cp", way, str(source), str(target)], capture_output=True, check=False).returncode == 0:
            return
        shutil.rmtree(target, ignore_errors=True)


@contextlib.contextmanager
def fresh_environment() -> Iterator[Path]:
    """Yield the Python of a copy of this environment that has Salt, but none of the engine's requirements."""
    here = Path(sys.prefix).resolve()
    with tempfile.TemporaryDirectory(prefix="wsv-", dir="/tmp") as folder:
        copy = Path(folder, "salt")
        _copy(here, copy)
        python = copy / "bin" / "python"
        uninstall(python, *ENGINE_NEEDS)
        yield python


@contextlib.contextmanager
def account(name: str, password: str) -> Iterator[None]:
    """Create an account on this machine, as root, and remove it afterwards."""
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", name], check=True)
    try:
        subprocess.run(["chpasswd"], input=f"{name}:{password}", text=True, check=True)
        yield
    finally:
        subprocess.run(["userdel", name], check=True)


def uninstall(python: Path, *packages: str) -> None:
    """Remove packages from an environment, as an update of Salt's Python does."""
    command = [str(python), "-m", "pip", "uninstall", "--quiet", "--yes", "--root-user-action=ignore", *packages]
    subprocess.run(command, check=True, capture_output=True)


def installed(python: Path, package: str) -> bool:
    """Return whether an environment has a package."""
    code = f"import importlib.metadata as m; m.version({package!r})"
    return subprocess.run([str(python), "-c", code], capture_output=True, check=False).returncode == 0

"""What Salt's packages bring to a host, as a layer of a machine: the onedir, programs, units, and the user ``salt``.

The onedir's pip has relenv's changes, as in the packages: into a folder it installs only what Salt's Python lacks.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.integration.conftest import CHECKOUT
from tests.integration.formula.ground import make_onedir
from tests.integration.formula.page import ADDRESS
from tests.integration.systemd.machine import CACHE, Machine
from tests.support.kept import kept

ONEDIR = "/opt/saltstack/salt"
WHEELS = "/media/wheels"
"""Where pip looks for packages."""
RELENV = "relenv==0.22.31"
PROGRAMS = ("salt", "salt-call", "salt-key", "salt-master", "salt-minion", "salt-run")
OWN_FOLDERS = "/etc/salt/pki/master /etc/salt/master.d /var/cache/salt/master /var/run/salt/master"
OWN_LOGS = "/var/log/salt/master /var/log/salt/key"  # their folder is root's, or logrotate refuses

PROGRAM = """\
#!{onedir}/bin/python3
import sys

from salt.scripts import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""

# What relenv does to pip when Python starts; its changes of compilers and of scripts need a relocated Python.
RELENV_PIP = """\
import sys

if "pip" in sys.orig_argv[1:3]:
    from relenv import runtime

    names = ("commands.install", "locations", "cli.req_command", "req.req_install")
    kept = [one for one in runtime.importer.wrappers if one.module.removeprefix("pip._internal.") in names]
    assert len(kept) == len(names), kept
    sys.meta_path.insert(0, runtime.RelenvImporter(wrappers=kept))
"""

UNIT = """\
[Unit]
Description={description}
After=network.target{after}

[Service]
Type=notify
NotifyAccess=all
LimitNOFILE={files}
ExecStart=/usr/bin/{program}
{more}
[Install]
WantedBy=multi-user.target
"""

LOGROTATE = """\
/var/log/salt/master /var/log/salt/minion {
    weekly
    missingok
    rotate 7
    compress
    notifempty
    create 0640 salt salt
}
"""


def lay_out(layer: Path, host: str) -> None:
    """Write the files of the packages, and a copy of the repository where the page says that it is.

    The machine has no network: pip finds the engine's packages in a folder, git the repository in another.
    """
    layer.chmod(0o755)
    (layer / ONEDIR[1:]).parent.mkdir(parents=True)
    wheels = _wheels()
    _add_relenv(make_onedir(layer / ONEDIR[1:], Path(ONEDIR)), wheels)
    for name in PROGRAMS:
        function = {"salt": "salt_main"}.get(name, name.replace("-", "_"))
        _write(layer, f"usr/bin/{name}", PROGRAM.format(onedir=ONEDIR, function=function), mode=0o755)
    (layer / "usr/bin/salt-pip").symlink_to(f"{ONEDIR}/salt-pip")
    units = "usr/lib/systemd/system"
    master = {"description": "The Salt Master Server", "after": "", "files": 100000, "more": ""}
    minion = {"description": "The Salt Minion", "after": " salt-master.service", "files": 8192}
    _write(layer, f"{units}/salt-master.service", UNIT.format(program="salt-master", **master))
    _write(
        layer, f"{units}/salt-minion.service", UNIT.format(program="salt-minion", more="KillMode=process\n", **minion)
    )
    _write(layer, "etc/logrotate.d/salt-common", LOGROTATE)
    _write(layer, "etc/salt/master", "user: salt\n")
    _write(layer, "etc/salt/minion", "master: 127.0.0.1\n")
    _write(layer, "etc/hosts", f"127.0.0.1 localhost {host}\n")
    _write(layer, "etc/pip.conf", f"[global]\nno-index = true\nfind-links = {WHEELS}\n")
    _write(layer, "etc/gitconfig", f'[url "file:///media/websocket_api.git"]\n    insteadOf = {ADDRESS}\n')
    (layer / WHEELS[1:]).mkdir(parents=True)
    for wheel in wheels.iterdir():
        (layer / WHEELS[1:] / wheel.name).write_bytes(wheel.read_bytes())
    copy = ["git", "clone", "--quiet", "--bare", str(CHECKOUT), str(layer / "media" / "websocket_api.git")]
    subprocess.run(copy, check=True)


def install(machine: Machine) -> None:
    """Do what the packages do after their files are there: the user, its folders, both services."""
    machine.run(
        f"useradd --system --home-dir {ONEDIR} --shell /usr/sbin/nologin salt\n"
        f"mkdir -p {OWN_FOLDERS} /var/log/salt\n"
        f"touch {OWN_LOGS} && chmod 640 {OWN_LOGS}\n"
        f"chown -R salt:salt {OWN_FOLDERS} {OWN_LOGS}\n"
        "systemctl enable --now salt-master salt-minion"
    )


def _add_relenv(python: Path, wheels: Path) -> None:
    """Let pip of a onedir do what relenv makes of it."""
    (packages,) = python.parents[1].glob("lib/python3*/site-packages")
    (wheel,) = wheels.glob("relenv-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (packages / "relenv_pip.py").write_text(RELENV_PIP)
    (packages / "relenv_pip.pth").write_text("import relenv_pip\n")


def _wheels() -> Path:
    """Return a folder with the wheels of what the engine needs beside Salt, and of relenv; it is filled once."""
    return kept(CACHE / f"wheels-{sys.version_info[0]}.{sys.version_info[1]}-{RELENV}", _download)


def _download(folder: Path) -> None:
    wanted = ["jsonschema", "orjson", "google-re2", RELENV]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "-d", str(folder), *wanted]
    subprocess.run(command, check=True)


def _write(layer: Path, path: str, text: str, mode: int = 0o644) -> None:
    file = layer / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)

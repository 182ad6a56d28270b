"""What Salt's packages bring to a host, as a layer of a machine: the onedir, programs, units, and the user ``salt``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.integration.conftest import CHECKOUT
from tests.integration.formula.ground import make_onedir
from tests.integration.formula.page import ADDRESS
from tests.integration.systemd.machine import CACHE, Machine

ONEDIR = "/opt/saltstack/salt"
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
    make_onedir(layer / ONEDIR[1:], Path(ONEDIR))
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
    _write(layer, "etc/pip.conf", "[global]\nno-index = true\nfind-links = /media/wheels\n")
    _write(layer, "etc/gitconfig", f'[url "file:///media/websocket_api.git"]\n    insteadOf = {ADDRESS}\n')
    (layer / "media").mkdir()
    (layer / "media" / "wheels").mkdir()
    for wheel in _wheels().iterdir():
        (layer / "media" / "wheels" / wheel.name).write_bytes(wheel.read_bytes())
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


def _wheels() -> Path:
    """Return a folder with the wheels of what the engine needs beside Salt, which is filled once."""
    folder = CACHE / f"wheels-{sys.version_info[0]}.{sys.version_info[1]}"
    if not folder.exists():
        new = folder.with_name(f"{folder.name}.new")
        wanted = ["jsonschema", "orjson", "google-re2"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "-d", str(new), *wanted]
        subprocess.run(command, check=True)
        new.rename(folder)
    return folder


def _write(layer: Path, path: str, text: str, mode: int = 0o644) -> None:
    file = layer / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)

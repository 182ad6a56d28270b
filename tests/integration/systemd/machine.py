"""A machine whose PID 1 is systemd, in namespaces of its own: a Debian root, made once, below layers for each machine.

What a machine writes is in memory and ends with it. Its network is loopback, until a cable joins it to another machine.
Needed are root and cgroup2, and no virtualization.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import CHECKOUT
from tests.support.kept import kept
from tests.support.waiting import wait_until

CACHE = Path(os.environ.get("MACHINES_CACHE", CHECKOUT / ".machines"))
RELEASE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,python3,logrotate,git,iproute2,procps"
DEBOOTSTRAP_SECONDS = 900
BOOT_SECONDS = 90
STOP_SECONDS = 30
RUN_SECONDS = 400
CLONE_NEWNET = 0x40000000
POWER_OFF = signal.SIGRTMIN + 4  # what systemd does when it gets this signal

# Runs in the new namespaces as their first process. Its arguments: the layers, a folder to mount in, the host's name.
PREPARE = """
set -eu
mount -t tmpfs -o mode=755 tmpfs "$2"
cd "$2"
mkdir -m 755 upper work root
mount -t overlay overlay -o "lowerdir=$1,upperdir=upper,workdir=work" root
cd root
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
echo "$3" >etc/hostname
pivot_root . mnt
umount -l /mnt
exec env -i container=test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd
"""

UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net", "--cgroup")


def why_not() -> str:
    """Return why this computer can have no such machine, or nothing."""
    if os.geteuid() != 0:
        return "only root can make namespaces"
    if _cgroup2() is None:
        return "this computer has no cgroup2"
    missing = [one for one in ("debootstrap", "unshare", "nsenter", "setpriv", "pivot_root") if not shutil.which(one)]
    if missing:
        return f"{', '.join(missing)} is not installed"
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() if tried.returncode else ""


def debian() -> Path:
    """Return the Debian root, which is made at first and then kept; skip the test where it cannot be fetched."""
    return kept(CACHE / RELEASE, _debootstrap)


def _debootstrap(folder: Path) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=DEBOOTSTRAP_SECONDS, check=False)
    if made.returncode:
        pytest.skip(f"debootstrap: {made.stdout.strip().splitlines()[-1]}")


class Machine:
    """A machine, from its start to its end.

    :param name: its host name
    :param layers: folders that lie over the Debian root, the topmost first
    """

    def __init__(self, name: str, *layers: Path) -> None:
        self.name = name
        self.mounted = Path(tempfile.mkdtemp(prefix="wsd-", dir="/tmp"))
        self.cgroup = (_cgroup2() or Path()) / self.mounted.name
        self._layers = ":".join(str(one) for one in (*layers, debian()))
        self._outer: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the machine's systemd, as this computer counts."""
        assert self._outer is not None
        (first,) = psutil.Process(self._outer.pid).children()
        return first.pid

    def start(self) -> None:
        """Start it, and return when systemd has started its units."""
        self.cgroup.mkdir()
        inner = [*UNSHARE, "--propagation", "private", "sh", "-c", PREPARE, "sh"]
        # Should the tests be killed, the machine ends with them.
        outer = ["setpriv", "--pdeathsig", "KILL", *inner, self._layers, str(self.mounted), self.name]
        joined = 'echo $$ > "$0" && exec "$@"'
        with (self.mounted / "console").open("wb") as log:
            self._outer = subprocess.Popen(
                ["sh", "-c", joined, str(self.cgroup / "cgroup.procs"), *outer],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until(self._is_up, f"systemd on {self.name}", timeout=BOOT_SECONDS, every=0.2)

    def _is_up(self) -> bool:
        assert self._outer is not None
        assert self._outer.poll() is None, (self.mounted / "console").read_text(errors="replace")
        with contextlib.suppress(ValueError, psutil.Error):
            asked = subprocess.run(
                [*self._inside(), "systemctl", "is-system-running"], capture_output=True, text=True, check=False
            )
            return asked.stdout.strip() in ("running", "degraded")
        return False

    def _inside(self) -> list[str]:
        """Return the start of a command that runs in all namespaces of the machine."""
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]

    def run(self, command: str, *, status: int | None = 0) -> str:
        """Run a shell command as an admin does; return what it prints.

        :param status: the exit status that it must have; None for any
        """
        words = ["systemd-run", "--pipe", "--wait", "--quiet", "--collect", "--setenv=HOME=/root",
                 f"--property=RuntimeMaxSec={RUN_SECONDS}", "sh", "-c", f"exec 2>&1\n{command}"]  # fmt: skip
        ran = subprocess.run(
            [*self._inside(), *words], capture_output=True, text=True, timeout=RUN_SECONDS + 30, check=False
        )
        shown = ran.stdout + ran.stderr
        assert status in (None, ran.returncode), f"{command}: {ran.returncode}\n{shown}"
        return shown

    @property
    def root(self) -> Path:
        """Its root folder, as this computer sees it."""
        return Path(f"/proc/{self.pid}/root")

    def write(self, path: str, text: str) -> None:
        """Write a file, and make its folder."""
        self._put(path, text, "w")

    def append(self, path: str, text: str) -> None:
        """Append to a file."""
        self._put(path, text, "a")

    def _put(self, path: str, text: str, mode: str) -> None:
        file = self.root / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open(mode, encoding="utf-8") as out:
            out.write(text)

    def read(self, path: str) -> str:
        """Return the content of a file."""
        return (self.root / path[1:]).read_text(encoding="utf-8", errors="replace")

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Let what this thread connects to be the machine's network."""
        with open("/proc/thread-self/ns/net", "rb") as own, open(f"/proc/{self.pid}/ns/net", "rb") as its:
            _set_network(its.fileno())
            try:
                yield
            finally:
                _set_network(own.fileno())

    def stop(self) -> None:
        """Power it off, and take away all that it had."""
        outer = self._outer
        if outer is not None and outer.poll() is None:
            with contextlib.suppress(ValueError, psutil.Error):
                os.kill(self.pid, POWER_OFF)
            try:
                outer.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                outer.kill()
                outer.wait()
        wait_until(self._is_empty, f"the end of the processes of {self.name}", timeout=STOP_SECONDS)
        shutil.rmtree(self.mounted)

    def _is_empty(self) -> bool:
        """Remove the control groups from the innermost on, which works once they have no process."""
        groups = sorted((one for one in self.cgroup.rglob("*") if one.is_dir()), reverse=True)
        for group in (*groups, self.cgroup):
            with contextlib.suppress(OSError):
                group.rmdir()
        return not self.cgroup.exists()


def connect(first: Machine, second: Machine, network: str) -> None:
    """Join two machines by a cable, a pair of virtual network cards; both end with the machines.

    :param network: the first three numbers of the addresses; the first machine is 1, the second 2
    """
    inside = ["nsenter", "-t", str(first.pid), "-n", "ip", "link", "add", "eth0", "type", "veth"]
    subprocess.run([*inside, "peer", "name", "eth0", "netns", str(second.pid)], check=True)
    hosts = f"{network}.1 {first.name}\n{network}.2 {second.name}\n"
    for place, machine in enumerate((first, second), start=1):
        machine.append("/etc/hosts", hosts)
        machine.run(f"ip address add {network}.{place}/24 dev eth0 && ip link set eth0 up")


def _cgroup2() -> Path | None:
    """Return where this computer's control groups of version 2 are."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


def _set_network(descriptor: int) -> None:
    """Move this thread into a network namespace (Python has ``os.setns`` only since 3.12)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns failed")

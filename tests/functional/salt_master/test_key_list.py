"""The list of keys that the engine keeps is always the one that Salt would read."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import salt.config
import salt.key
import salt.utils.minions
from websocket_api.salt_master.key_list import FOLDERS, KEEP_SECONDS, SETTLE_SECONDS, KeyList, key_list, list_through
from websocket_api.salt_master.minions import MinionStore
from websocket_api.salt_master.pool import Pool
from websocket_api.salt_master.salt_compat import SALT_LINE

pytestmark = pytest.mark.both_lines
needs_a_list = pytest.mark.skipif(SALT_LINE < 3008, reason="Salt 3007 lists the names of one folder")


ACTS = ("add", "add", "remove", "move", "link", "folder", "gone", "quiet")


class Time:
    """A clock that stands still."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def opts(tmp_path: Path) -> dict[str, Any]:
    """The configuration of a master without any key."""
    found: dict[str, Any] = salt.config.DEFAULT_MASTER_OPTS.copy()
    folders = {"root_dir": str(tmp_path), "cachedir": str(tmp_path / "cache"), "pki_dir": str(tmp_path / "pki")}
    found.update(folders, id="master", __role="master", sock_dir=str(tmp_path / "run"))
    for folder in FOLDERS:
        (tmp_path / "pki" / folder).mkdir(parents=True)
    return found


class Store:
    """The key store, and how often Salt reads it."""

    def __init__(self, opts: dict[str, Any]) -> None:
        self.opts, self.time, self.reads = opts, Time(), 0
        self.pki = Path(opts["pki_dir"])
        self.known = KeyList(opts["pki_dir"], self.time)
        self.key = list_through(self.known, salt.key.get_key(opts))
        self.read_by_salt: Callable[[], dict[str, list[str]]] = salt.key.get_key(opts).list_keys

    def read(self) -> dict[str, list[str]]:
        """Return the list that the engine keeps."""
        return self.known.read(self._read_by_salt)

    def _read_by_salt(self) -> dict[str, list[str]]:
        self.reads += 1
        return self.read_by_salt()

    def pass_(self, seconds: float) -> None:
        """Let time pass. After a long one the file system gives another time too: many have ticks of milliseconds."""
        self.time.now += seconds
        if seconds >= SETTLE_SECONDS:
            probe, deadline = self.pki / "probe", time.monotonic() + 20
            probe.touch()
            before = probe.stat().st_mtime_ns
            while probe.stat().st_mtime_ns == before:
                assert time.monotonic() < deadline, "the clock of the file system stands still"
                probe.touch()

    def add(self, folder: str, name: str) -> Path:
        """Add a key as it is on the disk."""
        path = self.pki / folder / name
        path.write_text("-----BEGIN PUBLIC KEY-----")
        return path


@pytest.fixture
def store(opts: dict[str, Any]) -> Store:
    """A store without any key."""
    return Store(opts)


@needs_a_list
def test_random_changes_are_seen(store: Store) -> None:
    """Added, removed, moved, replaced by a link, by a folder, and a folder that goes and comes."""
    dice = random.Random(3)
    names = [*(f"m{number}" for number in range(6)), "web.example", ".hidden", "b\u00e4r", "a b"]
    for _ in range(400):
        folder, name = store.pki / dice.choice(FOLDERS), dice.choice(names)
        path, act = folder / name, dice.choice(ACTS)
        folder.mkdir(exist_ok=True)
        if act == "gone":
            for found in folder.iterdir():
                found.rmdir() if found.is_dir() and not found.is_symlink() else found.unlink()
            folder.rmdir()
        elif path.is_symlink() or path.is_file():
            if act in ("remove", "link", "folder"):
                path.unlink()
            elif act == "move":
                (store.pki / FOLDERS[0]).mkdir(exist_ok=True)
                target = store.pki / FOLDERS[0] / f"{name}x"
                if not target.is_dir():
                    path.rename(target)
        elif act == "add" and not path.exists():
            store.add(folder.name, name)
        elif act == "link" and not path.exists():
            path.symlink_to(store.pki / "elsewhere")
        elif act == "folder" and not path.exists():
            path.mkdir()
        store.pass_(dice.choice((0.0, 0.0001, SETTLE_SECONDS, 60.0)))
        assert store.read() == store.read_by_salt()


@needs_a_list
def test_a_key_list_is_read_once_while_nothing_changes(store: Store) -> None:
    """After it has settled. What a caller does to its list does not reach others."""
    store.add("minions", "m1")
    store.read()
    store.pass_(2 * SETTLE_SECONDS)
    store.read()["minions"].append("mallory")
    for _ in range(5):
        store.pass_(KEEP_SECONDS / 6)
        assert store.read()["minions"] == ["m1"]
    assert store.reads == 2
    store.add("minions", "m2")
    assert store.read()["minions"] == ["m1", "m2"]


@needs_a_list
def test_a_change_within_the_same_tick_of_the_file_system_is_seen(store: Store) -> None:
    """Both changes have one time, so a list from between them does not count for long."""
    folder = store.pki / "minions"
    store.add("minions", "m1")
    found = folder.stat()
    store.read()
    store.add("minions", "m2")
    os.utime(folder, ns=(found.st_atime_ns, found.st_mtime_ns))
    store.known._mark = store.known._look()  # ctime cannot be set
    store.time.now += SETTLE_SECONDS / 2
    assert store.read()["minions"] == ["m1", "m2"]


@needs_a_list
def test_a_folder_that_could_not_be_read_is_read_again(store: Store) -> None:
    """Salt logs the error and returns a list without it; the folder's time tells nothing of that."""
    store.add("minions", "m1")
    store.pass_(2 * SETTLE_SECONDS)
    store.known.read(lambda: {folder: [] for folder in FOLDERS})
    store.pass_(2 * SETTLE_SECONDS)
    store.known.read(lambda: {folder: [] for folder in FOLDERS})
    assert store.read()["minions"] == []
    store.pass_(KEEP_SECONDS)
    assert store.read()["minions"] == ["m1"]


@needs_a_list
def test_a_list_settles_later_where_the_file_system_keeps_whole_seconds(store: Store) -> None:
    """Two changes of one second have one time there."""
    for folder in FOLDERS:
        os.utime(store.pki / folder, (1_700_000_000, 1_700_000_000))
    for seconds, reads in ((0.0, 1), (1.0, 2), (1.2, 3), (10.0, 3), (40.0, 3)):
        store.pass_(seconds)
        store.read()
        assert store.reads == reads


@needs_a_list
def test_a_list_that_settled_before_the_first_read_is_kept(store: Store) -> None:
    """At a start the keys and the resources are read, one after the other."""
    store.pass_(2 * SETTLE_SECONDS)
    store.read()
    store.read()
    assert store.reads == 1


@needs_a_list
def test_threads_that_wait_share_the_list_of_the_first(store: Store) -> None:
    """It was read after they asked."""
    store.add("minions", "m1")
    reading, go_on, found = threading.Event(), threading.Event(), []

    def read() -> dict[str, list[str]]:
        store.reads += 1
        reading.set()
        assert go_on.wait(20)
        return store.read_by_salt()

    def ask() -> None:
        found.append(store.known.read(read)["minions"])

    first = threading.Thread(target=ask)
    first.start()
    assert reading.wait(20)
    later = [threading.Thread(target=ask) for _ in range(4)]
    for thread in later:
        thread.start()
    store.time.now += 0.5  # the others asked while the first one read
    go_on.set()
    for thread in (first, *later):
        thread.join(20)
    assert found == [["m1"]] * 5
    assert store.reads <= 2


@needs_a_list
def test_salts_matching_uses_the_list(store: Store) -> None:
    """All kinds of targets that look at ids match what they match with Salt's own."""
    for name in ("web1", "web2", "db"):
        store.add("minions", name)
    store.add("minions_pre", "web3")
    own, salts = salt.utils.minions.CkMinions(store.opts), salt.utils.minions.CkMinions(store.opts)
    list_through(store.known, own.key)
    store.key.list_keys()
    store.pass_(2 * SETTLE_SECONDS)
    for tgt, kind in (
        ("web*", "glob"),
        ("*", "glob"),
        ("web1", "glob"),
        ("web.", "pcre"),
        (["web1", "web3", "db"], "list"),
        ("E@web1 or db", "compound"),
        ("* and not L@db,web2", "compound"),
        ("G@os:None or db", "compound"),
    ):
        found, expected = (one.check_minions(tgt, kind) for one in (own, salts))
        assert sorted(found["minions"]) == sorted(expected["minions"]), tgt


async def test_minions_of_new_and_removed_keys_are_matched_at_once(opts: dict[str, Any]) -> None:
    """No event is needed."""
    store, folder = MinionStore(opts, Pool(2, "keys")), Path(opts["pki_dir"]) / "minions"
    for names in (["m1"], ["m1", "m2"], ["m2"], []):
        for name in ("m1", "m2"):
            (folder / name).unlink(missing_ok=True)
        for name in names:
            (folder / name).write_text("key")
        assert await store.match("*", "glob") == names
        assert await store.keys() == dict.fromkeys(names, "accepted")


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({}, SALT_LINE >= 3008),
        ({"key_cache": "sched"}, False),
        ({"keys.cache_driver": "mmap_key"}, False),
        ({"cluster_id": "one", "cluster_pki_dir": "/srv/pki"}, SALT_LINE >= 3008),
    ],
)
def test_only_lists_of_salts_usual_store_are_kept(opts: dict[str, Any], changed: dict[str, Any], kept: bool) -> None:
    """Others are cheap, or change without a trace in the folders."""
    known = key_list({**opts, **changed})
    assert (known is not None) == kept
    if known is not None:
        folder = changed.get("cluster_pki_dir", opts["pki_dir"])
        assert known._paths == [os.path.join(folder, name) for name in FOLDERS]

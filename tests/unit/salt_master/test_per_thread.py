"""Objects of Salt that hold a loader are made for one thread after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

THREADS = 8


def get_in_threads(get: Any) -> list[Any]:
    """Call ``get()`` in several threads at once; return what each got."""
    begin, got = threading.Barrier(THREADS), list[Any]()

    def work() -> None:
        begin.wait(20)
        got.append(get())

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return got


def master_opts(folder: Path) -> dict[str, Any]:
    """Return the options of a master whose files are in a folder, with one user."""
    opts: dict[str, Any] = pytest.importorskip("salt.config").master_config(None)
    opts.update(
        cachedir=str(folder),
        pki_dir=str(folder / "pki"),
        sock_dir=str(folder),
        token_dir=str(folder),
        extension_modules=str(folder / "ext"),
        external_auth={"sharedsecret": {"ann": [".*"]}},
        sharedsecret="right",
    )
    return opts


@pytest.mark.with_salt
def test_each_thread_has_its_own_and_only_one_is_made_at_a_time() -> None:
    """Also if the objects are of different kinds: Python's imports are common to all."""
    pytest.importorskip("salt")
    from websocket_api.salt_master.per_thread import PerThread

    making, most = [], []

    def make() -> object:
        making.append(1)
        most.append(len(making))
        time.sleep(0.005)
        making.pop()
        return object()

    kinds = [PerThread(make), PerThread(make)]
    got = get_in_threads(lambda: [kind.get() for kind in kinds * 2])
    assert len(got) == THREADS
    assert all(one[:2] == one[2:] for one in got)
    assert len({id(made) for one in got for made in one}) == 2 * THREADS
    assert set(most) == {1}


@pytest.mark.with_salt
def test_backends_are_loaded_before_the_first_login(tmp_path: Path) -> None:
    """A login in one thread, while another one loads the backend, was refused with the right password."""
    opts = master_opts(tmp_path)
    from websocket_api.salt_master.auth import Auth

    pool: Any = None  # threads are ours here
    auth = Auth(opts, pool, pool)
    loaded = get_in_threads(lambda: "sharedsecret.auth" in auth._auths.get().auth._dict)
    assert loaded == [True] * THREADS
    logins = get_in_threads(lambda: auth._login("ann", "right", "sharedsecret"))
    assert [login["name"] for login in logins] == ["ann"] * THREADS


def _calls(opts: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return calls of Salt that load modules, as threads of the pools make them."""
    from websocket_api.salt_master.auth import Auth
    from websocket_api.salt_master.batch_store import BatchStore
    from websocket_api.salt_master.functions import MasterFunctions
    from websocket_api.salt_master.job_cache import JobCache
    from websocket_api.salt_master.minions import MinionStore

    pool: Any = None  # threads are ours here
    minions, auth = MinionStore(opts, pool), Auth(opts, pool, pool)
    return {
        "keys": minions._keys,
        "match": lambda: minions._match("*", "glob", ":", False, ()),
        "match grains": lambda: minions._match("os:Debian", "grain", ":", False, ()),
        "grains": lambda: minions._grains(None),
        "login": lambda: auth._login("ann", "right", "sharedsecret"),
        "token": lambda: auth._look_up("0" * 64),
        "batches": lambda: BatchStore(opts, pool)._ids("batches"),
        "job": lambda: JobCache(opts, pool)._job("20260101000000000001"),
        "runner": lambda: MasterFunctions(opts, pool)._inspect("runner", "jobs.active"),
        "wheels": lambda: MasterFunctions(opts, pool)._list("wheel"),
    }


@pytest.mark.with_salt
@pytest.mark.parametrize(
    "name",
    ["keys", "match", "match grains", "grains", "login", "token", "batches", "job", "runner", "wheels"],
)
def test_nothing_is_loaded_without_the_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Neither when an object is made, nor at its first call."""
    lazy = pytest.importorskip("salt.loader.lazy")
    call = _calls(master_opts(tmp_path))[name]
    from websocket_api.salt_master.per_thread import LOADING
    from websocket_api.salt_master.salt_compat import SALT_LINE

    load, in_turn = lazy.LazyLoader._load_module, dict[str, bool]()

    def watched(loader: Any, module: str) -> Any:
        in_turn[f"{loader.tag}.{module}"] = LOADING._is_owned()  # type: ignore[attr-defined]
        return load(loader, module)

    monkeypatch.setattr(lazy.LazyLoader, "_load_module", watched)
    call()
    assert [module for module, owned in in_turn.items() if not owned] == []
    assert in_turn or (name == "keys" and SALT_LINE < 3008)  # which reads the folders itself


@pytest.mark.with_salt
def test_functions_are_listed_again_without_the_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes up to a second each minute, and the first login in a thread would wait for it."""
    opts = master_opts(tmp_path)
    from websocket_api.salt_master import functions

    pool: Any = None
    known, held = functions.MasterFunctions(opts, pool), list[bool]()
    load = known._loader

    def watched(client: str) -> Any:
        held.append(functions.LOADING._is_owned())  # type: ignore[attr-defined]
        return load(client)

    monkeypatch.setattr(known, "_loader", watched)
    assert known._list("wheel") == known._list("wheel")
    known._inspect("runner", "jobs.active")
    assert held == [True, False, True]

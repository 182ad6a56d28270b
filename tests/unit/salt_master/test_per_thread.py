"""Objects of Salt that hold a loader are made for one thread after the other."""

from __future__ import annotations

import threading
import time
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
    config = pytest.importorskip("salt.config")
    from websocket_api.salt_master.auth import Auth

    opts = config.master_config(None)
    opts.update(
        cachedir=str(tmp_path),
        token_dir=str(tmp_path),
        extension_modules=str(tmp_path / "ext"),
        external_auth={"sharedsecret": {"ann": [".*"]}},
        sharedsecret="right",
    )
    pool: Any = None  # threads are ours here
    auth = Auth(opts, pool, pool)
    loaded = get_in_threads(lambda: "sharedsecret.auth" in auth._auths.get().auth._dict)
    assert loaded == [True] * THREADS
    logins = get_in_threads(lambda: auth._login("ann", "right", "sharedsecret"))
    assert [login["name"] for login in logins] == ["ann"] * THREADS

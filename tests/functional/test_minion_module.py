"""Which job a call belongs to, where Salt does not say it: the files that running jobs keep on a minion."""

from __future__ import annotations

import importlib.util
import os
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

salt_payload = pytest.importorskip("salt.payload")

MODULE = Path(__file__).resolve().parents[2] / "_modules" / "websocket_api.py"
JID, OTHER = "20261123220000000001", "20261123220000000002"


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    """The execution module with the options of a proxy minion, whose jobs have no request context."""
    spec = importlib.util.spec_from_file_location("minion_module", MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__opts__ = {"id": "proxy", "cachedir": str(tmp_path), "multiprocessing": True}  # type: ignore[attr-defined]
    module.__context__ = {}  # type: ignore[attr-defined]
    (tmp_path / "proc").mkdir()
    return module


def running(tmp_path: Path, jid: str, **data: Any) -> None:
    job = {"jid": jid, "pid": os.getpid(), "fun": "test.ping", "tgt": "*", **data}
    (tmp_path / "proc" / jid).write_bytes(salt_payload.dumps(job))


def test_a_process_that_runs_one_job_belongs_to_it(module: ModuleType, tmp_path: Path) -> None:
    """The file with this process's id names the job; another process's does not."""
    running(tmp_path, JID)
    running(tmp_path, OTHER, pid=1)
    assert module._jid() == JID


def test_nothing_is_guessed(module: ModuleType, tmp_path: Path) -> None:
    """No file, broken files, a file of salt-call, or two that could be it: there is no job."""
    assert module._jid() is None
    (tmp_path / "proc" / "empty").write_bytes(b"")
    (tmp_path / "proc" / "broken").write_bytes(b"\xc1")
    running(tmp_path, "20261123220000000003", tgt="salt-call")
    assert module._jid() is None
    running(tmp_path, JID)
    running(tmp_path, OTHER)
    assert module._jid() is None


def test_threads_of_one_process_are_told_apart_by_their_names(module: ModuleType, tmp_path: Path) -> None:
    """Salt names a job's thread after its jid; a thread with another name belongs to none."""
    module.__opts__["multiprocessing"] = False
    running(tmp_path, JID)
    running(tmp_path, OTHER)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(module._jid()), name=f"ProcessPayload(jid={OTHER})")
    thread.start()
    thread.join()
    assert found == [OTHER]
    assert module._jid() is None


@pytest.mark.parametrize(
    ("reports", "travel"),
    [
        # (seconds, percent)
        ([(0.0, 1), (0.1, 2), (0.49, 3)], [1]),
        ([(0.0, 1), (0.5, 2), (0.9, 3), (1.0, 4)], [1, 2, 4]),
        ([(0.0, 1), (0.1, 100)], [1, 100]),
        ([(0.0, 100), (0.1, 100), (0.2, 99), (0.3, 100), (0.49, 100)], [100]),
        ([(0.0, 100), (0.5, 1), (0.6, 100), (0.7, 100)], [100, 1, 100]),
    ],
)
def test_at_most_two_reports_a_second_travel(
    module: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reports: list[tuple[float, float]],
    travel: list[float],
) -> None:
    """But for the first that says 100, which need not wait: the last thing seen should be the end."""
    fired: list[Any] = []
    monkeypatch.setattr(
        module, "__salt__", {"event.fire_master": lambda data, tag: fired.append((tag, data)) or True}, False
    )
    running(tmp_path, JID)
    for seconds, percent in reports:
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda now=seconds: 1000 + now))
        sent = len(fired)
        assert module.progress(percent, f"step at {seconds}") is (len(fired) > sent)
    assert [data["percent"] for _, data in fired] == travel
    assert {tag for tag, _ in fired} == {f"salt/job/{JID}/prog/proxy/websocket_api"}

"""The option ``allow_from``."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

pytest.importorskip("salt")

from tests.functional.running import Engine


@pytest.mark.parametrize("path", ["", "ws", "healthz", "metrics", "events?x"])
def test_other_networks_reach_nothing(run_engine: Callable[..., Engine], path: str) -> None:
    """Whatever the path, who comes from elsewhere is refused."""
    engine = run_engine({"allow_from": ["10.0.0.0/8"]})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/{path}", timeout=10)
    caught.value.close()
    assert caught.value.code == 403

"""Check the arguments that Salt cannot pass on unchanged: the number and length of reported faults are limited."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("salt")

import salt.utils.args
from websocket_api.errors import MAX_FAULTS, MAX_NAME, ApiError
from websocket_api.salt_master.call_arguments import check_arguments

pytestmark = pytest.mark.with_salt


@pytest.mark.parametrize(
    ("arg", "kwarg"),
    [
        (["a=1"] * 10_000, {}),
        ([{"__kwarg__": True}] * 10_000, {}),
        ([], {f"__pub_{number}": 1 for number in range(10_000)}),
        (["a=1"] * 99, {f"__pub_{number}": 1 for number in range(10_000)}),
    ],
    ids=["names", "marks", "keywords", "both"],
)
def test_the_number_of_reported_faults_is_limited(arg: list[Any], kwarg: dict[str, Any], monkeypatch: Any) -> None:
    """After the maximum, no further argument is parsed."""
    calls = 0
    original = salt.utils.args.parse_kwarg

    def parse(text: str) -> Any:
        nonlocal calls
        calls += 1
        return original(text)

    monkeypatch.setattr(salt.utils.args, "parse_kwarg", parse)
    with pytest.raises(ApiError) as caught:
        check_arguments(arg, kwarg, parse=False)
    assert len(caught.value.details) == MAX_FAULTS
    assert calls <= MAX_FAULTS


def test_a_long_name_is_cut_in_the_fault() -> None:
    """A fault must not repeat a name of any length."""
    with pytest.raises(ApiError) as caught:
        check_arguments(["x" * 10_000 + "=1"], {"__pub_" + "y" * 10_000: 1}, parse=False)
    assert all(len(fault["path"]) < MAX_NAME + 20 and len(fault["message"]) < 200 for fault in caught.value.details)

"""Arguments that Salt cannot pass on as they are: named up to a bound, and cut."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("salt")

from websocket_api.errors import MAX_FAULTS, MAX_NAME, ApiError
from websocket_api.salt_master import commands

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
def test_no_more_faults_are_named_than_a_bound(arg: list[Any], kwarg: dict[str, Any], monkeypatch: Any) -> None:
    """And no more arguments are looked at."""
    looks = 0
    whole = commands.salt.utils.args.parse_kwarg

    def parse(text: str) -> Any:
        nonlocal looks
        looks += 1
        return whole(text)

    monkeypatch.setattr(commands.salt.utils.args, "parse_kwarg", parse)
    with pytest.raises(ApiError) as caught:
        commands._check_arguments(arg, kwarg, parse=False)
    assert len(caught.value.details) == MAX_FAULTS
    assert looks <= MAX_FAULTS


def test_a_long_name_is_cut() -> None:
    """An answer is no longer than it needs to be."""
    with pytest.raises(ApiError) as caught:
        commands._check_arguments(["x" * 10_000 + "=1"], {"__pub_" + "y" * 10_000: 1}, parse=False)
    assert all(len(fault["path"]) < MAX_NAME + 20 and len(fault["message"]) < 200 for fault in caught.value.details)

"""What a user holds over all connections is counted and limited."""

from __future__ import annotations

import pytest
from websocket_api.core.access.user_limits import Quota, weight
from websocket_api.errors import ApiError
from websocket_api.fair_share import Share

ANN, BOB = Share("ann", "pam"), Share("bob", "pam")


def test_a_user_holds_at_most_the_maximum() -> None:
    """The refusal names the limit; other users have their own."""
    quota = Quota("patterns_per_user", 3, "patterns in filters")
    quota.hold(ANN)
    last = quota.hold(ANN, 2)
    with pytest.raises(ApiError) as refused:
        quota.hold(ANN)
    assert (refused.value.code, refused.value.details) == ("too_many", {"limit": "patterns_per_user"})
    assert refused.value.message == "you have 3 of at most 3 patterns in filters at once"
    quota.hold(BOB, 3)
    last.end()
    last.end()  # counts once
    assert (quota.held(ANN), quota.held(BOB)) == (1, 3)


def test_a_first_hold_may_be_larger_than_the_maximum() -> None:
    """Otherwise a single large filter would never be possible. The next one must wait."""
    quota = Quota("patterns_per_user", 3, "patterns in filters")
    first = quota.hold(ANN, 10)
    with pytest.raises(ApiError):
        quota.hold(ANN)
    first.end()
    quota.hold(ANN)


def test_equal_holds_of_one_user_count_once() -> None:
    """Until the last of them ends; for another user they count again."""
    quota = Quota("patterns_per_user", 3, "patterns in filters")
    holds = [quota.hold(ANN, 3, "filter") for _ in range(3)]
    quota.hold(BOB, 3, "filter")
    assert (quota.held(ANN), quota.held(BOB)) == (3, 3)
    for hold in holds[:2]:
        hold.end()
        assert quota.held(ANN) == 3
    holds[2].end()
    assert (quota.held(ANN), quota.held(BOB)) == (0, 3)
    quota.hold(ANN, 3, "filter")
    assert quota.held(ANN) == 3


@pytest.mark.parametrize(
    ("texts", "ids", "counts"), [(0, 0, 1), (1, 0, 1), (2, 0, 2), (0, 99, 1), (0, 100, 2), (2, 250, 4)]
)
def test_a_filter_counts_by_its_patterns(texts: int, ids: int, counts: int) -> None:
    """A hundred ids count as one pattern; no filter is free."""
    assert weight(texts, ids) == counts
    if not ids:
        assert weight(texts) == counts

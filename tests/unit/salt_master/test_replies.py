"""Answers of the master become errors that tell a client what to do."""

from __future__ import annotations

import pytest
from websocket_api.errors import ApiError
from websocket_api.salt_master.replies import raise_error

DEFERRED = {"ret": False, "cluster_retry": True}


@pytest.mark.parametrize("answer", [DEFERRED, {"enc": "clear", "load": DEFERRED}])
def test_a_clustered_master_without_quorum_is_named(answer: object) -> None:
    """Salt's answer says only that it may be sent again."""
    with pytest.raises(ApiError, match="no quorum in its cluster") as refused:
        raise_error(answer)
    assert (refused.value.code, refused.value.retryable) == ("master_unavailable", True)
    assert refused.value.details == {"cluster": "no_quorum", "sent": False}


@pytest.mark.parametrize("answer", [{"load": {"jid": "1"}}, {"ret": False}, {"cluster_retry": False}, None, "", []])
def test_other_answers_are_left_to_the_caller(answer: object) -> None:
    """Only the caller knows what it asked for."""
    assert raise_error(answer) is answer


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"name": "AuthorizationError", "message": "x"}, "forbidden"),
        ({"name": "AuthenticationError", "message": "x"}, "unauthenticated"),
        ({"name": "TokenAuthenticationError", "message": "for user ann"}, "forbidden"),
        ({"name": "TokenAuthenticationError", "message": "expired"}, "unauthenticated"),
        ({"name": "SaltInvocationError", "message": "x"}, "bad_message"),
        ({"name": "Other", "message": "x"}, "master_unavailable"),
        ("text", "master_unavailable"),
    ],
)
def test_errors_have_the_code_for_their_cause(error: object, code: str) -> None:
    """By the name of Salt's exception."""
    with pytest.raises(ApiError) as refused:
        raise_error({"error": error})
    assert refused.value.code == code
    assert refused.value.may_run is (code == "master_unavailable")  # it may have failed after it had started

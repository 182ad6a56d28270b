"""A lost connection is reported once; a lasting loss ends the command with the way back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from salt_live.cli.patience import LOST_SECONDS, Patience
from salt_live.errors import ConnectionFailed


def test_a_short_loss_is_reported_and_a_long_one_ends_the_command() -> None:
    client, said, now = SimpleNamespace(state="open", address="wss://m1"), list[str](), [100.0]
    patience = Patience(client, said.append, "salt-live job 1 -w", lambda: now[0])
    patience.check()
    assert said == []
    client.state = "waiting"
    for _ in range(3):
        patience.check()
    assert [line.partition(";")[0] for line in said] == ["connection lost"]
    client.state = "open"
    patience.check()
    assert said[1:] == ["connected again"]
    client.state = "connecting"
    patience.check()
    now[0] += LOST_SECONDS + 1
    with pytest.raises(ConnectionFailed, match="come back with: salt-live job 1 -w"):
        patience.check()


def test_the_address_is_named_if_it_is_another_one() -> None:
    """So that the user knows which master answers now."""
    client, said = SimpleNamespace(state="open", address="wss://m1"), list[str]()
    patience = Patience(client, said.append)
    for address in ("wss://m2", "wss://m2", "wss://m1"):
        client.state = "waiting"
        patience.check()
        client.state, client.address = "open", address
        patience.check()
    assert said[1::2] == ["connected again, to wss://m2", "connected again", "connected again, to wss://m1"]


def test_what_only_watches_waits_for_ever() -> None:
    client, said, now = SimpleNamespace(state="waiting", address="wss://m1"), list[str](), [100.0]
    patience = Patience(client, said.append, clock=lambda: now[0])
    for _ in range(3):
        patience.check()
        now[0] += 10 * LOST_SECONDS
    assert said == ["connection lost; connecting again"]

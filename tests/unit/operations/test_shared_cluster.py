"""One stream of the masters of a cluster: unlike other masters, they have the same keys and reach the same minions."""

from __future__ import annotations

import pytest

from tests.unit.operations.engine import Refused
from tests.unit.operations.test_shared_stream import Masters


@pytest.mark.parametrize("clustered", [True, False])
async def test_only_a_master_of_the_cluster_cancels_a_job_of_another_one(clustered: bool) -> None:
    """It reaches the job's minions; a master with keys of its own may not."""
    masters = Masters("m1", "m2", clustered=clustered)
    await masters.carry()
    started = await (await masters["m1"].user()).ask("cmd", fun="test.sleep", arg=[600], tgt="web*")
    await masters.carry()
    talker = await masters["m2"].user()
    if clustered:
        assert (await talker.ask("cancel", jid=started["jid"]))["minions"] == ["web1", "web2"]
        assert masters["m2"].commands.as_master == [("saltutil.term_job", [started["jid"]], ["web1", "web2"])]
    else:
        with pytest.raises(Refused, match="the job runs at the master m1"):
            await talker.ask("cancel", jid=started["jid"])
        assert masters["m2"].commands.as_master == []
    assert masters["m1"].commands.as_master == []


@pytest.mark.parametrize("clustered", [True, False])
async def test_only_a_master_of_the_cluster_reads_keys_for_new_minions_of_another_one(clustered: bool) -> None:
    """In a cluster a key that one master accepts is known to all."""
    masters = Masters("m1", "m2", clustered=clustered)
    await masters.carry()
    registry = masters["m2"].services.minions
    assert not registry.keys_stale
    masters["m1"].world.fire("salt/auth", id="new", act="accept", result=True)
    masters["m1"].world.fire("salt/minion/new/start", cmd="_minion_event", id="new", data="")
    await masters.carry()
    assert registry.keys_stale is clustered


async def test_the_lists_of_both_masters_of_a_cluster_count() -> None:
    """Each lists its own minions: one that the other master lists stays connected."""
    masters = Masters("m1", "m2", clustered=True)
    await masters.carry()
    for name, minion in (("m1", "web1"), ("m2", "web2"), ("m1", "web1")):
        masters[name].world.fire("salt/presence/present", present=[minion])
        await masters.carry()
    for engine in masters.engines.values():
        shown = {name: minion.connected for name, minion in engine.services.minions.all().items()}
        assert (shown["web1"], shown["web2"]) == (True, True)


@pytest.mark.parametrize("clustered", [True, False])
async def test_only_a_cluster_forwards_events(clustered: bool) -> None:
    """Elsewhere a minion sets the field: it can neither hide its event nor name another master for it."""
    masters = Masters("m1", "m2", clustered=clustered)
    await masters.carry()
    masters["m1"].world.fire("t/one", __peer_id="m2", free=17)
    events = [event for event in masters["m1"].services.history.after(0) if event.tag == "t/one"]
    assert [event.decoded()["master"] for event in events] == ([] if clustered else ["m1"])
    assert all(event.decoded()["data"] == {"free": 17} for event in events)

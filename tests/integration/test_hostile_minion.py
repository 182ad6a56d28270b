"""What a hostile minion with an accepted key can do to Salt's master, and what the engine believes.

The minion here is a channel with a minion's key, as a hostile one would open it. The master logs all it can, so that
what Salt's own loggers print in the engine's process is seen too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from salt.version import __saltstack_version__

from tests.client import Client, Refused
from tests.integration.conftest import MINION_OPTIONS, running
from tests.integration.staging import Stage, staged
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

FIRST, SECOND = "hostile-minion", "hostile-other"
USERS: dict[str, list[Any]] = {
    "demo": [".*", "@runner", "@wheel", "@jobs"],
    "echo": ["test.echo"],
    "viewer": ["test.ping"],
}
WRONG = "ab" * 32  # what looks like a token
FORGED_JID = "20260101000000000077"


class Hostile:
    """A minion that sends any load."""

    def __init__(self, opts: dict[str, Any], port: int) -> None:
        self._opts = {**opts, "master_ip": "127.0.0.1", "master_uri": f"tcp://127.0.0.1:{port}"}

    def send(self, **load: Any) -> None:
        """Send a load with this minion's proof of identity, as Salt's minions do."""
        import salt.channel.client

        with salt.channel.client.ReqChannel.factory(self._opts, crypt="aes") as channel:
            channel.send({"id": FIRST, "tok": channel.auth.gen_token(b"salt"), **load}, timeout=20)


@pytest.fixture(scope="module")
def stage(salt_factories: Any, file_root: Path) -> Iterator[Stage]:
    """A master with two minions that logs at every level."""
    config = {"external_auth": {"sharedsecret": USERS}, "log_level_logfile": "all"}
    with staged(salt_factories, file_root, "hostile", minion=True, config=config) as stage:
        other = stage.master.salt_minion_daemon(SECOND, overrides=MINION_OPTIONS)
        with running(other):
            stage.hostile = Hostile(_minion_opts(stage, FIRST), stage.master.config["ret_port"])  # type: ignore[attr-defined]
            yield stage


def _minion_opts(stage: Stage, name: str) -> dict[str, Any]:
    import salt.config

    root = Path(stage.master.config["root_dir"]).parent / name
    return dict(salt.config.minion_config(str(root / "conf" / "minion"), minion_id=name))


def job_of(client: Client, jid: str) -> Any:
    """Return a job, or the code of the error."""
    try:
        return client.ask("get_job", jid=jid)
    except Refused as refusal:
        return refusal.code


@pytest.mark.skipif(__saltstack_version__.major < 3008, reason="Salt 3007 takes no resource_id")
def test_a_return_for_another_minion_counts_in_jobs_of_that_minion_only(stage: Stage) -> None:
    """Salt 3008 accepts ``resource_id`` from any minion; jobs of other minions do not change."""
    with stage.client() as client:
        both = client.ask("cmd", fun="test.sleep", tgt=[FIRST, SECOND], arg=[60])["jid"]
        own = client.ask("cmd", fun="test.sleep", tgt=[FIRST], arg=[60])["jid"]
        for jid in (own, both):
            fields = {"jid": jid, "fun": "test.sleep", "fun_args": [60], "retcode": 0, "success": True}
            stage.hostile.send(cmd="_return", resource_id=SECOND, **fields, **{"return": "forged"})  # type: ignore[attr-defined]
        shown = wait_until(lambda: _ended(client, both, SECOND), "the forged return")
        assert shown["return"] == "forged", "what docs/security.md says that Salt lets through"
        assert set(client.ask("get_job", jid=own)["minions"]) == {FIRST}
        for jid in (own, both):
            client.ask("cancel", jid=jid, signal="kill")


def _ended(client: Client, jid: str, minion: str) -> Any:
    part = client.ask("get_job", jid=jid)["minions"][minion]
    return part if part["state"] in ("returned", "failed") else None


def test_a_job_in_memory_ignores_what_a_minion_writes_to_the_job_cache(stage: Stage) -> None:
    """``_syndic_return`` overwrites user and function there; a job that is not in memory is read as written."""
    with stage.client() as client, stage.client("echo") as echo:
        jid = client.ask("cmd", fun="test.ping", tgt=FIRST, mode="sync")["jid"]
        forged = {
            "fun": "test.echo",
            "arg": ["x"],
            "tgt": FIRST,
            "tgt_type": "glob",
            "user": "echo",
            "minions": [FIRST],
        }
        for one in (jid, FORGED_JID):
            back = {FIRST: {"return": "forged", "retcode": 0, "success": True}}
            load = {**forged, "jid": one}
            stage.hostile.send(cmd="_syndic_return", jid=one, fun="test.echo", load=load, **{"return": back})  # type: ignore[attr-defined]
        believed = wait_until(lambda: _known(echo, FORGED_JID), "a forged job in the job cache")
        assert (believed["fun"], believed["user"]) == ("test.echo", "echo"), "what docs/security.md says of such jobs"
        cached = client.ask("runner", fun="jobs.list_job", arg=[jid], mode="sync")
        assert cached["Function"] == "test.echo", "the load of the job was not overwritten: this test shows nothing"
        known = client.ask("get_job", jid=jid)
        assert (known["fun"], known["user"]) == ("test.ping", "demo")
        assert job_of(echo, jid) == "not_found"


def _known(client: Client, jid: str) -> Any:
    job = job_of(client, jid)
    return job if isinstance(job, dict) else None


def _token(stage: Stage, user: str) -> str:
    """Have Salt make a token that the engine has not seen yet."""
    import salt.auth
    import salt.config

    opts = salt.config.master_config(stage.master.config["conf_file"])
    made = salt.auth.LoadAuth(opts).mk_token({"username": user, "password": "demo", "eauth": "sharedsecret"})
    return str(made["token"])


def test_salts_own_loggers_print_no_token_in_the_engine(stage: Stage) -> None:
    """This holds at every level for commands, wrong tokens and tokens that the store cannot read."""
    engine = stage.engine.pid
    with stage.client() as client:
        good = client.login("demo")["token"]
        client.ask("cmd", fun="test.ping", tgt=FIRST, mode="sync")
        client.ask("runner", fun="jobs.list_jobs", mode="sync")
        damaged = _token(stage, "echo")
        for path in Path(stage.master.config["cachedir"]).rglob(f"{damaged}*"):
            path.write_bytes(b"\xc1 no token")
        for token in (WRONG, damaged):
            with pytest.raises(Refused):
                client.ask("whoami", token=token)
        client.ask("logout", token=good)
    lines = [line for line in stage.log.splitlines() if f"({engine})" in line]
    assert any("<token>" in line and "load=" in line for line in lines), "Salt logs no loads: this test shows nothing"
    assert [line for line in lines for token in (good, damaged, WRONG) if token in line] == []

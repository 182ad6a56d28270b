"""What the engine shows rests on the same decisions that Salt takes about commands: both are asked, over a table."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")

import salt.cache
import salt.config
import salt.utils.minions
from websocket_api.core.access.permissions import Permissions
from websocket_api.core.access.target_sets import TargetSets
from websocket_api.salt_master.minions import MinionStore
from websocket_api.salt_master.pool import Pool
from websocket_api.salt_master.salt_compat import SALT_LINE

pytestmark = pytest.mark.both_lines

GRAINS: dict[str, dict[str, Any]] = {
    "web1": {"os": "Debian", "role": "web", "ipv4": ["10.0.0.1"]},
    "web2": {"os": "Debian", "role": "web", "ipv4": ["10.0.0.2"]},
    "web-3.example.com": {"os": "Ubuntu", "role": "web", "ipv4": ["10.0.1.3"]},
    "db": {"os": "Debian", "role": "db", "ipv4": ["10.0.1.4"]},
    "mail": {},
}
RESOURCES = {"dummy": ["dummy-1", "dummy-2"], "other": ["switch"]}
"""Of web1, on Salt 3008."""
EVENTS = [
    "@events",
    "@fire",
    {"@events": ["tag:*", "tag:.*", "tag:myco/*"]},
    {"@fire": ["tag:*"]},
    {"@events": "tag:test.*"},
]
AUTH_LISTS: list[list[Any]] = [
    [],
    [".*"],
    ["test.ping"],
    ["test.*", "grains.items"],
    ["ping"],
    ["*"],
    ["("],
    [""],
    ["@runner", "@wheel", "@jobs"],
    ["@runners", "@wheels"],
    ["@key", "@test"],
    [{"*": ["test.ping"]}],
    [{"*": [".*"]}],
    [{"web*": ["test.*"]}],
    [{"web*": "test.*"}],
    [{"web1": ["test.ping"]}, {"db": ["cmd.run"]}],
    [{"G@os:Debian": [".*"]}],
    [{"G@os:Debian and not db": [".*"]}],
    [{"E@web\\d": ["cmd.run"]}],
    [{"S@10.0.1.0/24": ["cmd.run"]}],
    [{"L@web1,mail": ["cmd.run"]}],
    [{"N@front": ["cmd.run"]}],
    [{"P@os:(Debian|Ubuntu)": ["test.ping"]}],
    [{"nobody*": [".*"]}],
    [{"T@dummy": ["test.ping"]}],
    [{"T@dummy:dummy-1": [".*"]}],
    [{"T@other or db": [{"cmd.run": {"args": ["ls.*"]}}]}],
    [{"dummy-2": ["test.*"]}, {"dummy*": ["cmd.run"]}],
    [{"M@web1": [".*"]}],
    [{"L@dummy-1,db": ["test.ping"]}],
    [{"not web*": ["test.ping"]}],
    [{"web*": [".*"], "db": [".*"]}],
    [{"*": [{"cmd.run": {"args": ["ls.*"]}}]}],
    [{"*": [{"cmd.run": {"args": [None, "x"]}}]}],
    [{"*": [{"cmd.run": {"args": ["ls"], "kwargs": {"runas": "ann"}}}]}],
    [{"*": [{"cmd.run": {"kwargs": {"runas": None}}}]}],
    [{"*": [{"cmd.run": [{"args": ["id"]}, {"args": ["ls"]}]}]}],
    [{"*": [{"cmd.run": {}}]}],
    [{"*": [{"cmd.run": {"args": [5]}}]}],
    [{"*": [{"cmd.run": "ls"}]}],
    [{"*": [{"cmd.run": {}, "test.ping": {}}]}],
    [{"web*": [{".*": {"kwargs": {"name": "nginx"}}}]}],
    [{"@runner": ["jobs.*", {"test.arg": {"args": ["ls"]}}]}],
    [{"@runners": "jobs.list_jobs"}, {"@wheels": ["key.*"]}],
    [{"@wheel": [{"key.accept": {"kwargs": {"match": "web.*"}}}]}],
    [{"@wheel": [{"key.accept": {}}]}],
    [{"@jobs": ["list_.*"]}, {"@key": ["accept"]}],
    *([entry] for entry in EVENTS),
    EVENTS,
]
CALLS: list[tuple[str, list[Any]]] = [
    ("test.ping", []),
    ("cmd.run", []),
    ("cmd.run", ["ls"]),
    ("cmd.run", ["ls -l", "x"]),
    ("cmd.run", ["ls", {"__kwarg__": True, "runas": "ann"}]),
    ("cmd.run", ["id", {"__kwarg__": True, "runas": 0}]),
    ("cmd.run", [5]),
    ("cmd.run", [{"runas": "ann"}]),
    ("pkg.install", [{"__kwarg__": True, "name": "nginx"}]),
    ("grains.items", []),
    ("tag:myco.x", []),
    ("events.x", []),
]
MASTER_CALLS: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("jobs.list_jobs", [], {}),
    ("jobs.lookup_jid", ["1"], {}),
    ("test.arg", ["ls"], {}),
    ("test.arg", ["id"], {"a": 1}),
    ("key.list_all", [], {}),
    ("key.accept", [], {"match": "web1"}),
    ("runner.x", [], {}),
    ("cloud.x", [], {}),
]


class Salt:
    """Salt's own decisions and ours, on one master's keys and caches."""

    def __init__(self, root: Path) -> None:
        config = root / "master"
        config.write_text(f"root_dir: {root}\nnodegroups: {{front: 'L@web1,web2'}}\n", encoding="utf-8")
        self.opts = salt.config.master_config(str(config))
        keys = Path(self.opts["pki_dir"])
        for name, grains in GRAINS.items():
            (keys / "minions").mkdir(parents=True, exist_ok=True)
            (keys / "minions" / name).write_text("a public key", encoding="utf-8")
            cache = salt.cache.factory(self.opts)
            if SALT_LINE >= 3008:
                cache.store("grains", name, grains)
            else:
                cache.store(f"minions/{name}", "data", {"grains": grains, "pillar": {}})
        if SALT_LINE >= 3008:
            salt.utils.minions.update_resource_index(self.opts, "web1", RESOURCES)
        self.minions = salt.utils.minions.CkMinions(self.opts)
        self.store = MinionStore(self.opts, Pool(1, "test"))

    def permissions(self, auth_list: list[Any]) -> Permissions:
        """Ours, with target sets that are read as the engine reads them."""
        targets = TargetSets(lambda tgt: self.store.match(tgt, "compound", trusted=True), time.monotonic)
        permissions = Permissions(auth_list, targets)
        asyncio.run(targets.ensure(permissions.expressions))
        return permissions


@pytest.fixture(scope="module")
def master() -> Iterator[Salt]:
    """A master's configuration with accepted minions and their cached grains; nothing runs."""
    with tempfile.TemporaryDirectory() as root:
        yield Salt(Path(root))


def test_the_master_knows_its_minions(master: Salt) -> None:
    """Else the comparison below would compare nothing with nothing."""
    found = master.minions.check_minions("G@os:Debian", "compound")["minions"]
    assert sorted(found) == ["db", "web1", "web2"]


@pytest.mark.parametrize("auth_list", AUTH_LISTS, ids=repr)
def test_functions_on_minions(master: Salt, auth_list: list[Any]) -> None:
    """``may_run`` answers for one minion as ``auth_check`` does for a command to that minion alone."""
    ours = master.permissions(auth_list)
    for fun, arg in CALLS:
        for minion in GRAINS:
            salts = master.minions.auth_check(auth_list, fun, arg, [minion], "list", minions=[minion])
            assert ours.may_run(fun, arg, minion) is bool(salts), (fun, arg, minion)


@pytest.mark.skipif(SALT_LINE < 3008, reason="Salt 3007 has no resources")
@pytest.mark.parametrize("auth_list", AUTH_LISTS, ids=repr)
def test_functions_on_resources(master: Salt, auth_list: list[Any]) -> None:
    """As ``auth_check`` says: an entry for the minion that manages a resource does not include it."""
    ours = master.permissions(auth_list)
    assert set(asyncio.run(master.store.resources())) == {"dummy-1", "dummy-2", "switch"}
    for fun, arg in CALLS:
        for name in ("dummy-1", "dummy-2", "switch"):
            for tgt, kind in ((name, "glob"), ([name], "list")):
                matched = master.minions.check_minions(tgt, kind)["minions"]
                assert matched == [name]
                salts = master.minions.auth_check(auth_list, fun, arg, tgt, kind, minions=matched)
                assert ours.may_run(fun, arg, name) is bool(salts), (fun, arg, name)


@pytest.mark.parametrize("client", ["runner", "wheel"])
@pytest.mark.parametrize("auth_list", [entry for entry in AUTH_LISTS if entry != [""]], ids=repr)
def test_functions_on_the_master(master: Salt, auth_list: list[Any], client: str) -> None:
    """``may_call`` answers as the master does for the loads that the engine sends it.

    A runner's arguments stand in the load's ``kwarg``; a wheel's stand flat in the load, where Salt does not look.
    """
    ours = master.permissions(auth_list)
    for fun, arg, kwarg in MASTER_CALLS:
        if client == "runner":
            salts = master.minions.runner_check(auth_list, fun, {"arg": arg, "kwarg": kwarg})
        else:
            salts = master.minions.wheel_check(auth_list, fun, {})
        assert ours.may_call(client, fun, arg, kwarg) is bool(salts), (fun, arg, kwarg)


@pytest.mark.parametrize("auth_list", AUTH_LISTS, ids=repr)
def test_what_is_refused_before_a_target_is_looked_at(master: Salt, auth_list: list[Any]) -> None:
    """``may_run_somehow`` refuses nothing that Salt permits; ``may_run_everywhere`` is its answer for all minions."""
    ours = master.permissions(auth_list)
    for fun, arg in CALLS:
        if fun.startswith("tag:"):
            continue  # no function has such a name, and Salt 3007 permits it on nobody
        *some, everywhere = (
            bool(master.minions.auth_check(auth_list, fun, arg, targets, "list", minions=targets))
            for targets in ([], *([name] for name in GRAINS), list(GRAINS))
        )
        assert ours.may_run_everywhere(fun, arg) is everywhere, (fun, arg)
        assert ours.may_run_somehow(fun) or not any(some), (fun, arg)


@pytest.mark.parametrize("auth_list", [entry for entry in AUTH_LISTS if entry != [""]], ids=repr)
def test_calls_that_are_refused_before_a_function_is_looked_for(master: Salt, auth_list: list[Any]) -> None:
    """``may_call_somehow`` refuses nothing that Salt permits, and what no entry names."""
    ours = master.permissions(auth_list)
    for fun, arg, kwarg in MASTER_CALLS:
        runner = master.minions.runner_check(auth_list, fun, {"arg": arg, "kwarg": kwarg})
        assert ours.may_call_somehow("runner", fun) or not runner, (fun, arg)
        assert ours.may_call_somehow("wheel", fun) or not master.minions.wheel_check(auth_list, fun, {}), (fun, arg)
    assert not ours.may_call_somehow("runner", "no.such") or "@runner" in str(auth_list)


@pytest.mark.parametrize("entry", EVENTS, ids=repr)
@pytest.mark.parametrize("targets", [["web1"], ["web1", "db"], ["nobody"], []], ids=repr)
def test_event_entries_grant_no_command(master: Salt, entry: Any, targets: list[str]) -> None:
    """``@events`` and ``@fire`` mean nothing to Salt, not even for a target that matches no minion."""
    matched = [name for name in targets if name in GRAINS]
    for fun in ("cmd.run", "test.ping", "event.send", "state.apply"):
        assert not master.minions.auth_check([entry], fun, [], targets, "list", minions=matched)
        assert not master.minions.runner_check([entry], fun, {"arg": [], "kwarg": {}})
        assert not master.minions.wheel_check([entry], fun, {})


@pytest.mark.parametrize("name", ["events", "fire"])
def test_a_bare_event_entry_opens_a_runner_module_of_its_name(master: Salt, name: str) -> None:
    """Salt has no such module; who writes one is told in docs/security.md what the bare entry then means."""
    assert master.minions.runner_check([f"@{name}"], f"{name}.x", {"arg": [], "kwarg": {}})
    assert not master.minions.runner_check([{f"@{name}": ["tag:*"]}], f"{name}.x", {"arg": [], "kwarg": {}})


def test_a_wrong_argument_condition_allows_nothing(master: Salt) -> None:
    """``args:`` without a value makes Salt refuse the command; here it must break nothing."""
    for wrong in ({"args": None}, {"kwargs": None}, {"args": 5}, {"kwargs": ["a"]}):
        auth_list = [{"*": [{"cmd.run": wrong}]}]
        assert not master.permissions(auth_list).may_run("cmd.run", ["ls"], "web1")


@pytest.mark.parametrize(
    "auth_list", [[{5: [".*"]}], [5], [None], [{"*": [{5: {}}]}], [{"*": {5: {}, "a": {}}}]], ids=repr
)
def test_entries_that_are_no_text_allow_nothing(master: Salt, auth_list: list[Any]) -> None:
    """YAML makes numbers of some names; Salt fails on them, the engine must not."""
    permissions = master.permissions(auth_list)
    assert not permissions.may_run("cmd.run", ["ls"], "web1")
    assert not permissions.may_call("runner", "jobs.list_jobs")


def test_a_broken_target_allows_nothing(master: Salt) -> None:
    """Salt closes a parenthesis that was left open; the engine shows nothing for an expression that is wrong."""
    auth_list = [{"( web1": [".*"]}]
    assert master.minions.auth_check(auth_list, "cmd.run", [], ["web1"], "list", minions=["web1"])
    assert not master.permissions(auth_list).may_run("cmd.run", [], "web1")

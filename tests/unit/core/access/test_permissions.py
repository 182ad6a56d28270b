"""Auth lists, read as Salt reads them."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.access.permissions import Permissions

from tests.unit.core.support import Known

TARGETS = Known(**{"web*": {"web1", "web2"}, "G@os:Debian": {"web1", "db"}})
KW = {"__kwarg__": True, "name": "nginx"}

RUNS: list[tuple[list[Any], str, Any, str, bool]] = [
    ([".*"], "cmd.run", ["id"], "web1", True),
    (["test.ping"], "test.ping", [], "web1", True),
    (["test.ping"], "test.pingx", [], "web1", True),  # Salt matches at the start of the name only
    (["test.*"], "cmd.run", [], "web1", False),
    (["*"], "cmd.run", [], "web1", False),  # no regular expression: Salt matches nothing by it
    (["@runner"], "cmd.run", [], "web1", False),
    ([{"web*": ["test.*"]}], "test.ping", [], "web1", True),
    ([{"web*": ["test.*"]}], "test.ping", [], "db", False),
    ([{"web*": "test.*"}], "test.ping", [], "web1", True),
    ([{"*": ["test.*"]}], "test.ping", [], "anything", True),
    ([{"G@os:Debian": [".*"]}], "cmd.run", [], "db", True),
    ([{"unknown*": [".*"]}], "cmd.run", [], "db", False),
    ([{"web*": [".*"], "db": [".*"]}], "cmd.run", [], "db", False),  # malformed: two keys
    ([{"@runner": [".*"]}], "cmd.run", [], "web1", False),
    ([{"web*": [{"pkg.install": {"kwargs": {"name": "ng.*"}}}]}], "pkg.install", [KW], "web1", True),
    ([{"web*": [{"pkg.install": {"kwargs": {"name": "apache"}}}]}], "pkg.install", [KW], "web1", False),
    ([{"web*": [{"pkg.install": {"args": ["ng.*"]}}]}], "pkg.install", ["nginx"], "web1", True),
    ([{"web*": [{"pkg.install": {"args": ["ng.*"]}}]}], "pkg.install", [], "web1", False),
    ([{"web*": [{"pkg.install": {"args": [None, "x"]}}]}], "pkg.install", ["nginx", "x"], "web1", True),
    ([{"web*": [{"pkg.install": {"args": ["ng.*"]}}]}], "pkg.install", None, "web1", False),
    ([], "test.ping", [], "web1", False),
    # A compound command shows what each of its functions does; Salt itself asks for one of them only.
    (["test.ping"], "test.ping,cmd.run", [[], ["id"]], "web1", False),
    (["test.ping", "cmd.run"], "test.ping,cmd.run", [[], ["id"]], "web1", True),
    ([{"web*": ["test.ping"]}, "cmd.run"], "test.ping,cmd.run", [[], ["id"]], "web1", True),
    ([{"web*": ["test.ping"]}, "cmd.run"], "test.ping,cmd.run", [[], ["id"]], "db", False),
    (["t", {"*": [{"cmd.run": {"args": ["id"]}}]}], "test.ping,cmd.run", [[], ["id"]], "web1", True),
    (["t", {"*": [{"cmd.run": {"args": ["id"]}}]}], "test.ping,cmd.run", [[], ["rm"]], "web1", False),
    (["t", {"*": [{"cmd.run": {"args": ["id"]}}]}], "test.ping,cmd.run", [["id"]], "web1", False),
    (["t", {"*": [{"cmd.run": {"args": ["id"]}}]}], "test.ping,cmd.run", None, "web1", False),
    (["test.ping"], "test.ping,", [[]], "web1", False),
]


@pytest.mark.parametrize(("auth_list", "fun", "arg", "minion", "allowed"), RUNS)
def test_may_run(auth_list: list[Any], fun: str, arg: Any, minion: str, allowed: bool) -> None:
    """A function on one minion is allowed where Salt would allow the command."""
    assert Permissions(auth_list, TARGETS).may_run(fun, arg, minion) is allowed


@pytest.mark.parametrize(
    ("auth_list", "client", "fun", "allowed"),
    [
        (["@runner"], "runner", "jobs.list_jobs", True),
        (["@runner"], "wheel", "key.list_all", False),
        (["@wheel"], "wheel", "key.list_all", True),
        (["@jobs"], "runner", "jobs.lookup_jid", True),
        (["@jobs"], "runner", "manage.up", False),
        ([{"@runner": ["manage.*"]}], "runner", "manage.up", True),
        ([{"@jobs": ["list_.*"]}], "runner", "jobs.list_jobs", True),
        ([{"@jobs": ["list_.*"]}], "runner", "jobs.lookup_jid", False),
        ([".*"], "runner", "manage.up", False),
        (["@runner"], "runner", "nodot", False),
        (["@runner"], "runner", "a.b.c", False),
    ],
)
def test_may_call(auth_list: list[Any], client: str, fun: str, allowed: bool) -> None:
    """Runners and wheels need their own entries; ``.*`` alone is for minions."""
    assert Permissions(auth_list, TARGETS).may_call(client, fun) is allowed


@pytest.mark.parametrize(
    ("auth_list", "sees", "fires"),
    [
        (["@events"], True, False),
        (["@fire"], False, True),
        ([".*"], False, False),  # .* sees all events by visibility's own rule, and fires none
        ([".*", "@runner"], False, True),
        ([{"@events": ["tag:myco/*"]}], True, False),
        ([{"@events": ["tag:other/*"]}], False, False),
        ([{"@events": ["myco/*"]}], False, False),
        ([{"@fire": ["tag:myco/*"]}], False, True),
    ],
)
def test_event_entries(auth_list: list[Any], sees: bool, fires: bool) -> None:
    """``@events`` shows and ``@fire`` fires, for all tags or for those behind ``tag:``; neither gives the other."""
    permissions = Permissions(auth_list, TARGETS)
    if ".*" not in auth_list:
        assert permissions.may_see_tag("myco/deploy") is sees
    assert permissions.may_fire("myco/deploy") is fires

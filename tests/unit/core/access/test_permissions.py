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
    ([{"web*": "test.ping"}], "test.echo", [], "web1", False),  # one function, not one for each letter
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
    (["t", {"*": [{"cmd.run": {"args": ["i"]}}]}], "test.ping,cmd.run", [[], "id"], "web1", False),  # no list
    (["test.ping"], "test.ping,", [[]], "web1", False),
    ([{"web*": [7, "test.ping"]}], "test.ping", [], "web1", True),  # Salt skips what is malformed
    ([{"web*": [{"pkg.install": {"args": ["n"]}, "pkg.remove": {}}]}], "pkg.install", ["n"], "web1", False),
]


@pytest.mark.parametrize(("auth_list", "fun", "arg", "minion", "allowed"), RUNS)
def test_may_run(auth_list: list[Any], fun: str, arg: Any, minion: str, allowed: bool) -> None:
    """A function on one minion is allowed where Salt would allow the command; also if several are looked at."""
    permissions = Permissions(auth_list, TARGETS)
    assert permissions.may_run(fun, arg, minion) is allowed
    minions = {"web1", "db", "other", "web2"}
    expected = {one for one in minions if permissions.may_run(fun, arg, one)}
    assert permissions.runnable(fun, arg, minions) == expected


def on_web(*conditions: Any) -> list[Any]:
    """Return an auth list with these conditions on the arguments of ``pkg.install``."""
    return [{"web*": [{"pkg.install": list(conditions)}]}]


@pytest.mark.parametrize(
    ("auth_list", "arg", "allowed"),
    [
        (on_web({"args": ["apache"]}, {"args": ["nginx"]}), ["nginx"], True),
        (on_web({"args": ["apache"]}, {"args": ["nginx"]}), ["bind"], False),
        (on_web({"args": ["a", "b"]}, {"args": ["nginx"]}), ["nginx"], True),
        (on_web({"kwargs": {"fromrepo": ".*"}}, {"args": ["nginx"]}), ["nginx"], True),
        (on_web("nginx", {"args": ["nginx"]}), ["nginx"], True),  # what is no condition is left out
        (on_web({"args": "nginx"}, {"args": ["nginx"]}), ["nginx"], True),
        (on_web({"args": ["nginx"], "kwargs": {"name": "nginx"}}), ["nginx", KW], True),
        (on_web({"args": ["nginx"], "kwargs": {"name": "nginx"}}), ["bind", KW], False),
        (on_web({"args": ["nginx"], "kwargs": {"name": "bind"}}), ["nginx", KW], False),
        (on_web({"args": [None], "kwargs": {"name": None}}), ["bind", KW], True),  # anything, but given
        (on_web({"args": ["("]}), ["nginx"], False),  # not a regular expression
    ],
)
def test_one_of_several_conditions_on_arguments_is_enough(auth_list: list[Any], arg: list[Any], allowed: bool) -> None:
    """Within one condition all arguments must match."""
    assert Permissions(auth_list, TARGETS).may_run("pkg.install", arg, "web1") is allowed


@pytest.mark.parametrize(
    ("auth_list", "fun", "minion", "somehow", "everywhere"),
    [
        ([".*"], "cmd.run", "web1", True, True),
        (["test.*"], "test.ping", "web1", True, True),
        (["test.*"], "cmd.run", "web1", False, False),
        ([{"*": ["test.*"]}], "test.ping", "db", True, True),
        ([{"web*": ["test.*"]}], "test.ping", "web1", True, False),
        ([{"web*": ["test.*"]}], "test.ping", None, True, False),
        ([{"web*": ["test.*"]}], "test.ping", "db", False, False),
        ([{"web*": ["test.*"]}], "cmd.run", None, False, False),
        ([{"web*": ["cmd.run", {"pkg.install": {"args": ["nginx"]}}]}], "pkg.install", "web1", True, False),
        ([{"*": [{"pkg.install": {"args": ["nginx"]}}]}], "pkg.install", "db", True, False),
        ([{"*": [{"pkg.install": {}, "pkg.remove": {}}, 7]}], "pkg.install", None, False, False),  # malformed
        (["@runner", {"@runner": ["test.ping"]}], "test.ping", None, False, False),
    ],
)
def test_may_run_somehow_and_everywhere(
    auth_list: list[Any], fun: str, minion: str | None, somehow: bool, everywhere: bool
) -> None:
    """With some arguments on some minion, and without arguments on every possible minion."""
    permissions = Permissions(auth_list, TARGETS)
    assert permissions.may_run_somehow(fun, minion) is somehow
    assert permissions.may_run_everywhere(fun, []) is everywhere


@pytest.mark.parametrize(
    ("auth_list", "fun", "allowed"),
    [
        ([".*"], "cmd.run", True),
        (["test.*"], "test.ping", True),
        ([{"*": ["test.*"]}], "test.ping", True),
        ([{"*": [{"pkg.install": {"args": ["nginx"]}}]}], "pkg.install", True),
        ([{"web*": ["test.*"]}], "test.ping", False),
        ([{"web*": ["test.*"], "*": ["test.*"]}], "test.ping", False),  # malformed: two keys
        (["test.ping", {"*": [{"cmd.run": {"args": ["id"]}}]}], "test.ping,cmd.run", True),
        (["test.ping", {"web*": ["cmd.run"]}], "test.ping,cmd.run", False),
        ([{"@runner": [".*"]}, "@runner"], "test.ping", False),
    ],
)
def test_may_run_everywhere_with_some_arguments(auth_list: list[Any], fun: str, allowed: bool) -> None:
    """Then it may run on a minion that no target but ``*`` matches; of a compound command all functions count."""
    assert Permissions(auth_list, TARGETS).may_run_everywhere_somehow(fun) is allowed


@pytest.mark.parametrize(
    ("auth_list", "client", "fun", "allowed"),
    [
        (["@runner"], "runner", "jobs.list_jobs", True),
        (["@runners"], "runner", "jobs.list_jobs", True),
        (["@runner"], "wheel", "key.list_all", False),
        (["@wheel"], "wheel", "key.list_all", True),
        (["@wheels"], "wheel", "key.list_all", True),
        (["@wheel"], "runner", "jobs.list_jobs", False),
        (["@jobs"], "runner", "jobs.lookup_jid", True),
        (["@jobs"], "runner", "manage.up", False),
        ([{"@runner": ["manage.*"]}], "runner", "manage.up", True),
        ([{"@runners": ["manage.*"]}], "runner", "manage.up", True),
        ([{"@runner": ["manage.*"]}], "runner", "jobs.list_jobs", False),
        ([{"@runner": ["manage.*"]}], "wheel", "manage.up", False),
        ([{"@wheel": ["key.*"]}], "wheel", "key.list_all", True),
        ([{"@wheel": ["key.*"]}], "wheel", "config.values", False),
        ([{"@jobs": ["list_.*"]}], "runner", "jobs.list_jobs", True),
        ([{"@jobs": ["list_.*"]}], "runner", "jobs.lookup_jid", False),
        ([{"@jobs": ["list_.*"]}], "runner", "manage.list_jobs", False),
        ([{"@runner": ["list_.*"]}], "runner", "jobs.list_jobs", False),
        ([{"manage": ["up"]}, {"@jobs": ["list_.*"]}], "runner", "jobs.list_jobs", True),
        ([".*"], "runner", "manage.up", False),
        ([], "runner", "manage.up", False),
        (["@runner"], "runner", "nodot", False),
        (["@runner"], "runner", "nodot.", False),
        (["@runner"], "runner", "a.b.c", False),
    ],
)
def test_may_call(auth_list: list[Any], client: str, fun: str, allowed: bool) -> None:
    """Runners and wheels need their own entries; ``.*`` alone is for minions."""
    permissions = Permissions(auth_list, TARGETS)
    assert permissions.may_call(client, fun) is allowed
    assert permissions.may_call_somehow(client, fun) is allowed


@pytest.mark.parametrize(
    ("auth_list", "client", "fun", "given", "allowed"),
    [
        ([{"@runner": [{"state.orch": {"args": ["web.*"]}}]}], "runner", "state.orch", (["website"], {}), True),
        ([{"@runner": [{"state.orch": {"args": ["web.*"]}}]}], "runner", "state.orch", (["db"], {}), False),
        ([{"@state": [{"orch": {"kwargs": {"mods": "web"}}}]}], "runner", "state.orch", ([], {"mods": "web"}), True),
        ([{"@state": [{"orch": {"kwargs": {"mods": "web"}}}]}], "runner", "state.orch", ([], {"mods": "db"}), False),
        ([{"@state": [{"orch": {"kwargs": {"mods": "web"}}}]}], "runner", "state.orch", ([], None), False),
        # The master reads a wheel's arguments from the wrong place.
        ([{"@wheel": [{"key.accept": {"args": ["web1"]}}]}], "wheel", "key.accept", (["web1"], {}), False),
        (
            [{"@key": [{"accept": {"kwargs": {"match": "web1"}}}]}],
            "wheel",
            "key.accept",
            ([], {"match": "web1"}),
            False,
        ),
    ],
)
def test_arguments_of_a_call_are_checked(
    auth_list: list[Any], client: str, fun: str, given: tuple[list[Any], Any], allowed: bool
) -> None:
    """A form still offers the function, because some arguments may be allowed."""
    permissions = Permissions(auth_list, TARGETS)
    assert permissions.may_call(client, fun, *given) is allowed
    assert permissions.may_call_somehow(client, fun)


@pytest.mark.parametrize(
    ("auth_list", "sees", "fires"),
    [
        (["@events"], True, False),
        (["@fire"], False, True),
        ([".*"], False, False),  # .* sees all events by visibility's own rule, and fires none
        ([".*", "@runner"], False, True),
        ([".*", "@runners"], False, True),
        ([".*", "@wheel"], False, False),
        (["@runner"], False, False),
        ([{"@events": ["tag:myco/*"]}], True, False),
        ([{"@events": ["tag:other/*"]}], False, False),
        ([{"@events": ["myco/*"]}], False, False),
        ([{"@fire": ["tag:myco/*"]}], False, True),
    ],
)
def test_events_and_fire_entries_are_separate(auth_list: list[Any], sees: bool, fires: bool) -> None:
    """``@events`` shows and ``@fire`` fires, for all tags or for those after ``tag:``. Neither includes the other."""
    permissions = Permissions(auth_list, TARGETS)
    if ".*" not in auth_list:
        assert permissions.may_see_tag("myco/deploy") is sees
    assert permissions.may_fire("myco/deploy") is fires

"""The formula's decision between a reload of the engine and a restart of its master, and what its states report."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("salt")

import salt.config
import salt.utils.yaml

from tests.functional.running import CHECKOUT, VERSION, Engine

pytestmark = [pytest.mark.both_lines]

ENGINE = {"websocket_api": {"port": 8000}}
FILES = {"reload": ["files of the engine"]}
REFUSED = {"error": "the running engine stays: it is broken", "runs": True}
MakeEngine = Callable[..., Engine]


def load(path: str, functions: dict[str, Any], opts: dict[str, Any]) -> ModuleType:
    """Load a module of the formula as Salt does."""
    name = Path(path).stem
    spec = importlib.util.spec_from_file_location(f"formula_{Path(path).parent.name}_{name}", CHECKOUT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__salt__ = functions  # type: ignore[attr-defined]
    module.__opts__ = opts  # type: ignore[attr-defined]
    if path.startswith("_modules"):
        functions.update({f"{name}.{key}": value for key, value in vars(module).items() if callable(value)})
    return module


class Formula:
    """The states on a host whose master has a release and a configuration file.

    :param root: an empty folder
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings: dict[str, Any] = {"config_dir": str(root), "service": {"seconds": 1}, "options": {}}
        self.conf = root / "websocket_api.conf"
        self.code = root / "extmods" / "engines" / "websocket_api" / "server.py"
        self.code.parent.mkdir(parents=True)
        self.code.write_text("old")
        self.answer: dict[str, Any] = {"version": "2.0.0", "restart": []}
        """What the engine answers to a reload."""
        self.reloads = 0
        self.runs = True
        self.answers: str | None = None
        """Why the engine is not healthy."""
        self.wanted: dict[str, Any] = {}
        """The configuration of the pillar."""
        self.stale: list[str] = []
        self.console: list[str] = []
        self.opts: dict[str, Any] = {"cachedir": str(root / "cache"), "test": False}
        functions: dict[str, Any] = {
            "websocket_api_config.master": lambda _: {
                "extension_modules": str(root / "extmods"),
                "sock_dir": str(root),
            },
            "websocket_api_config.path": lambda _: str(self.conf),
            "websocket_api_config.text": lambda _: salt.utils.yaml.safe_dump(self.wanted),
            "websocket_api_files.pam": lambda _, test=False: {"group shadow": "salt added"},
            "websocket_api_master.log_size": lambda _: 7,
            "websocket_api_master.user": lambda _: pwd.getpwuid(os.getuid()),
            "websocket_api_master.stale": lambda _: self.stale,
            "websocket_api_master.stale_console": lambda _: self.console,
            "websocket_api_master.sync": self._sync,
            "websocket_api_master.answers": lambda *_: self.answers,
            "websocket_api_master.complaint": lambda _, since: f"line after {since}",
            "websocket_api_packages.environment": lambda _: {},
            "websocket_api_packages.wanted": lambda given: given["packages"],
        }
        self.module = load("_modules/websocket_api_reload.py", functions, self.opts)
        load("_modules/websocket_api_previous.py", functions, self.opts)
        functions["websocket_api_reload.reload"] = self._reload
        functions["websocket_api_reload.runs"] = lambda _: self.runs
        self.states = load("_states/websocket_api.py", functions, self.opts)
        self.begin()

    def begin(self) -> None:
        """Begin another run."""
        self.states.__running__ = {}  # type: ignore[attr-defined]

    def run(self, name: str, *arguments: Any) -> dict[str, Any]:
        """Run a state."""
        outcome: dict[str, Any] = getattr(self.states, name)(name, *arguments)
        self.states.__running__[f"websocket_api_|-{name}_|-{name}_|-{name}"] = outcome
        return outcome

    def configure(self, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
        """Run the state that writes the configuration."""
        self.conf.write_text(salt.utils.yaml.safe_dump(before))
        self.wanted = after
        return self.run("configured", self.settings)

    def finish(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run the states that reload the engine and that report a restart."""
        return self.run("reloaded", self.settings), self.run("restart_due")

    def _sync(self, _: Any) -> list[str]:
        self.code.write_text("new")
        self.stale = []
        return []

    def _reload(self, _: Any) -> dict[str, Any]:
        self.reloads += 1
        return self.answer


@pytest.fixture
def formula(tmp_path: Path) -> Formula:
    """The states of the formula."""
    return Formula(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "needs"),
    [
        ({"engines": [ENGINE]}, {"engines": [{"websocket_api": {"port": 1, "a": "x"}}]}, {"reload": ["a, port"]}),
        ({"engines": [ENGINE]}, {"engines": [ENGINE], "external_auth": {}}, {"restart": ["settings external_auth"]}),
        ({"engines": [ENGINE], "a": 1, "b": 1}, {"engines": [ENGINE], "a": 2}, {"restart": ["settings a, b"]}),
        ({"engines": [ENGINE]}, {"engines": [{"slack": {}}, ENGINE]}, {"restart": ["settings engines"]}),
        ({"engines": [{"slack": {}}, ENGINE]}, {"engines": [ENGINE]}, {"restart": ["settings engines"]}),
        (
            {"engines": [ENGINE], "a": 1},
            {"engines": [{"websocket_api": {}}]},
            {"reload": ["port"], "restart": ["settings a"]},
        ),
        ({"engines": [{"websocket_api": None}]}, {"engines": [{"websocket_api": {}}]}, {}),
        ({"a": 1}, {"engines": [ENGINE], "a": 1}, {"restart": ["websocket_api.conf had no engine websocket_api"]}),
        ({"engines": "x"}, {"engines": [ENGINE]}, {"restart": ["websocket_api.conf had no engine websocket_api"]}),
    ],
)  # fmt: skip
def test_a_configuration_needs_a_restart_only_beyond_the_engines_options(
    formula: Formula, before: dict[str, Any], after: dict[str, Any], needs: dict[str, list[str]]
) -> None:
    """The master reads its own settings at its start only. Names are shown, values are not."""
    if "reload" in needs:
        needs["reload"] = [f"options {needs['reload'][0]}"]
    outcome = formula.configure(before, after)
    assert outcome["changes"] == {str(formula.conf): "changed", **({"needs": needs} if needs else {})}
    assert salt.utils.yaml.safe_load(formula.conf.read_text()) == after


@pytest.mark.parametrize("text", [None, "", "{", "[]", "just text"])
def test_a_file_without_a_configuration_needs_a_restart(formula: Formula, text: str | None) -> None:
    """A new one, or one that Salt could not read."""
    if text is not None:
        formula.conf.write_text(text)
    formula.wanted = {"engines": [ENGINE]}
    assert list(formula.run("configured", formula.settings)["changes"]["needs"]) == ["restart"]


@pytest.mark.parametrize(
    ("stale", "console", "reasons"),
    [
        (["_engines/websocket_api/server.py"], [], ["files of the engine"]),
        ([], ["websocket_api/console/app.js"], ["files of the console"]),
        (["_engines/websocket_api/a.py"], ["websocket_api/console/b"], ["files of the engine", "files of the console"]),
        (["_runners/websocket_api.py/."], [], []),
        ([], [], []),
    ],
)
def test_synced_files_need_a_reload(formula: Formula, stale: list[str], console: list[str], reasons: list[str]) -> None:
    """The runner does not: salt-run loads it each time."""
    formula.stale, formula.console = stale, console
    outcome = formula.run("synced", formula.settings)
    assert outcome["result"] is True
    assert outcome["changes"].get("needs", {}) == ({"reload": reasons} if reasons else {})
    reloaded, restart = formula.finish()
    assert formula.reloads == bool(reasons)
    assert bool(reloaded["changes"]) == bool(reasons)
    assert restart == {
        "name": "restart_due", "result": True, "comment": "No restart of the master is needed", "changes": {}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "test", "reloads"),
    [
        ({"result": True, "changes": {"orjson==3": "Installed"}}, False, True),
        ({"result": None, "changes": {}}, True, True),
        ({"result": True, "changes": {}}, False, False),
        ({"result": False, "changes": {}}, False, False),
    ],
)
def test_packages_need_a_reload(formula: Formula, outcome: dict[str, Any], test: bool, reloads: bool) -> None:
    """The supervisor has loaded none of them."""
    formula.opts["test"] = test
    formula.states.__states__ = {"pip.installed": lambda name, **_: {**outcome, "name": name}}  # type: ignore[attr-defined]
    made = formula.run("packages", {**formula.settings, "packages": ["orjson"], "pip": {}})
    assert made["result"] is outcome["result"]
    assert made["changes"].get("needs") == ({"reload": ["Python packages"]} if reloads else None)
    assert formula.run("unfinished")["changes"] == {}, "only this run has recorded anything"
    assert bool(formula.run("reloaded", formula.settings)["changes"]) == reloads


def test_pam_needs_a_restart(formula: Formula) -> None:
    """A process has the groups of its start."""
    assert formula.run("pam_ready", formula.settings)["changes"]["needs"] == {"restart": ["PAM"]}
    reloaded, restart = formula.finish()
    assert (reloaded["changes"], formula.reloads) == ({}, 0)
    assert restart["changes"] == {"restart": ["PAM"]}


@pytest.mark.parametrize(
    ("answer", "result", "comment", "restart"),
    [
        (
            {"version": "2.0.0", "restart": []},
            True,
            "was reloaded without a restart of the master, because of: files",
            [],
        ),
        (
            {"version": "2.0.0", "restart": ["worker_threads", "the supervisor has changed: restart the master"]},
            True,
            "was reloaded",
            ["setting worker_threads", "the supervisor has changed"],
        ),
        (
            {"error": "cannot reach the engine", "runs": False},
            True,
            "The engine is started",
            ["cannot reach the engine"],
        ),
        (REFUSED, False, "the running engine stays: it is broken. Restored: ", []),
    ],
)
def test_the_answer_of_the_engine_decides(
    formula: Formula, answer: dict[str, Any], result: bool, comment: str, restart: list[str]
) -> None:
    """A restart for what the engine cannot do itself, also after an upgrade from a release without reloads."""
    formula.stale, formula.answer = ["_engines/websocket_api/server.py"], answer
    formula.run("synced", formula.settings)
    reloaded, due = formula.finish()
    assert (reloaded["result"], formula.reloads) == (result, 1)
    assert comment in reloaded["comment"]
    assert due["changes"] == ({"restart": restart} if restart else {})
    assert reloaded["changes"].get("engine") == ("reloaded" if "version" in answer else None)


@pytest.mark.parametrize(
    ("share", "mode"),
    [
        ("redis://:geheim@redis.example.com:6379/0", 0o640),
        ("rediss://user:geheim@redis.example.com", 0o640),
        ("unix://:geheim@/run/redis.sock", 0o640),
        ("unix:///run/redis.sock", 0o644),
        (None, 0o644),
    ],
)
def test_only_the_masters_group_reads_a_password(formula: Formula, share: str | None, mode: int) -> None:
    """Also when a refused reload brings the file back; the copy is for its owner only."""
    with_share = {"engines": [{"websocket_api": {"history": {"share": share}}}]}
    formula.configure({"engines": [ENGINE]}, with_share)
    assert formula.conf.stat().st_mode & 0o777 == mode
    formula.run("answers", formula.settings)
    formula.begin()
    formula.answer = REFUSED
    formula.configure(with_share, {"engines": [ENGINE]})
    assert formula.conf.stat().st_mode & 0o777 == 0o644
    (kept,) = Path(formula.opts["cachedir"]).rglob("before.conf")
    assert kept.stat().st_mode & 0o777 == 0o600
    formula.run("reloaded", formula.settings)
    assert formula.conf.stat().st_mode & 0o777 == mode
    assert salt.utils.yaml.safe_load(formula.conf.read_text()) == with_share


def test_a_refused_reload_brings_back_release_and_configuration(formula: Formula) -> None:
    """A process that is killed later starts with what served before. The next run tries again."""
    before = {"engines": [ENGINE]}
    formula.stale, formula.answer = ["_engines/websocket_api/server.py"], REFUSED
    formula.run("synced", formula.settings)
    formula.configure(before, {"engines": [{"websocket_api": {"port": 2}}]})
    assert formula.code.read_text() == "new"
    reloaded = formula.run("reloaded", formula.settings)
    assert reloaded["result"] is False
    assert formula.code.read_text() == "old"
    assert salt.utils.yaml.safe_load(formula.conf.read_text()) == before
    outcome = formula.run("rolled_back", formula.settings)
    assert (outcome["result"], outcome["changes"]) == (True, {}), "nothing was started, so nothing is restarted"
    formula.begin()
    assert formula.run("unfinished")["changes"]["needs"]["reload"][0] == "files of the engine"
    formula.stale, formula.answer = ["_engines/websocket_api/server.py"], {"version": "2", "restart": []}
    formula.run("synced", formula.settings)
    assert formula.run("reloaded", formula.settings)["result"] is True
    assert formula.run("answers", formula.settings)["result"] is True
    assert formula.code.read_text() == "new"
    assert [path.name for path in Path(formula.opts["cachedir"]).rglob("*") if path.is_file()] == []


def test_a_restart_that_fails_brings_both_back(formula: Formula) -> None:
    """The engine does not answer: the log since the first change is searched, and the master is restarted again."""
    before = {"engines": [ENGINE]}
    formula.stale, formula.answers = ["_engines/websocket_api/server.py"], "nothing healthy"
    formula.run("synced", formula.settings)
    formula.configure(before, {"engines": [ENGINE], "external_auth": {}})
    assert formula.finish()[1]["changes"] == {"restart": ["settings external_auth"]}
    assert formula.reloads == 0
    outcome = formula.run("answers", formula.settings)
    assert outcome["comment"] == "nothing healthy. The engine said: line after 7"
    outcome = formula.run("rolled_back", formula.settings)
    assert set(outcome["changes"].values()) == {"restored"}
    assert formula.code.read_text() == "old"
    assert salt.utils.yaml.safe_load(formula.conf.read_text()) == before


def test_the_run_after_an_interrupted_one_does_the_rest(formula: Formula) -> None:
    """What a change needs is recorded before it is made; the sum of both runs counts."""
    formula.configure({"engines": [ENGINE]}, {"engines": [{"websocket_api": {}}]})
    formula.begin()
    formula.run("unfinished")
    formula.run("pam_ready", formula.settings)
    reloaded, restart = formula.finish()
    assert reloaded["comment"] == "The restart of the master replaces the engine"
    assert restart["changes"] == {"restart": ["PAM"]}
    formula.run("answers", formula.settings)
    formula.begin()
    assert formula.run("unfinished")["changes"] == {}
    assert [outcome["changes"] for outcome in formula.finish()] == [{}, {}]


@pytest.mark.parametrize(
    ("runs", "reloaded", "restart"),
    [
        (True, {"engine": "reloaded"}, {}),
        (False, {"needs": {"restart": ["no engine runs"]}}, {"restart": ["no engine runs"]}),
    ],
)
def test_a_test_run_names_what_would_be_done(
    formula: Formula, runs: bool, reloaded: dict[str, Any], restart: dict[str, Any]
) -> None:
    """It changes nothing, and records nothing."""
    formula.opts["test"], formula.runs = True, runs
    formula.stale = ["_engines/websocket_api/server.py"]
    formula.run("synced", formula.settings)
    formula.configure({"engines": [ENGINE]}, {"engines": [{"websocket_api": {}}]})
    first, second = formula.finish()
    assert (first["result"], first["changes"]) == (None, reloaded)
    assert (second["result"], second["changes"]) == (None if restart else True, restart)
    assert "files of the engine, options port" in first["comment"]
    assert formula.reloads == 0
    assert formula.code.read_text() == "old"
    assert salt.utils.yaml.safe_load(formula.conf.read_text()) == {"engines": [ENGINE]}
    assert not Path(formula.opts["cachedir"]).exists()


def test_changes_of_other_formulas_count_for_nothing(formula: Formula) -> None:
    """They may have words of their own."""
    formula.states.__running__["file_|-a_|-a_|-managed"] = {"changes": {"needs": {"restart": ["x"]}}}
    assert [outcome["changes"] for outcome in formula.finish()] == [{}, {}]


def test_the_console_is_compared_with_what_the_engine_serves(tmp_path: Path) -> None:
    """Changed, missing and further files; not if the pillar names another console, or no engine has run yet."""
    served, copy = tmp_path / "served", tmp_path / "websocket_api" / "release" / "console"
    functions: dict[str, Any] = {
        "websocket_api_config.master": lambda _: {"cachedir": str(tmp_path)},
        "cp.list_master": lambda _, prefix: [f"{prefix}/{path.name}" for path in sorted(served.iterdir())],
        "cp.cache_file": lambda address, _: str(served / address.rpartition("/")[2]),
    }
    module = load("_modules/websocket_api_master.py", functions, {})
    settings: dict[str, Any] = {"options": {}, "saltenv": "base"}
    served.mkdir()
    for name in ("same", "changed", "new"):
        (served / name).write_text(name)
    assert module.stale_console(settings) == []
    copy.mkdir(parents=True)
    for name in ("same", "changed", "old"):
        (copy / name).write_text(name)
    (copy / "changed").write_text("earlier")
    assert module.stale_console(settings) == [f"websocket_api/console/{name}" for name in ("changed", "new", "old")]
    assert module.stale_console({**settings, "options": {"console": "/srv/own"}}) == []


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    """An engine whose master has the runner."""
    return make_engine(master={"runner_dirs": [str(CHECKOUT / "_runners")]})


def test_the_formula_reloads_a_real_engine(engine: Engine, tmp_path: Path) -> None:
    """By the runner: the answer, the cause of a refusal, and an engine that does not run."""
    functions: dict[str, Any] = {
        "websocket_api_config.master": lambda _: salt.config.master_config(str(engine.root / "master"))
    }
    module = load("_modules/websocket_api_reload.py", functions, {"cachedir": str(tmp_path)})
    settings = {"config_dir": str(engine.root)}
    assert module.runs(settings) is False
    answer = module.reload(settings)
    assert answer["runs"] is False
    assert "cannot reach the engine" in answer["error"]
    engine.start()
    engine.wait()
    assert module.runs(settings) is True
    assert module.reload(settings) == {"version": VERSION, "restart": []}
    engine.configure(history={"events": -1})
    answer = module.reload(settings)
    assert answer["runs"] is True
    assert answer["error"].startswith("the running engine stays: ")
    assert "history.events" in answer["error"]
    config = json.loads((engine.root / "master").read_text())
    (engine.root / "master").write_text(json.dumps({**config, "user": "nobody-of-this-name"}))
    with pytest.raises(Exception, match="the reload cannot be requested"):
        module.reload(settings)


def test_an_engine_that_waits_is_started_again(make_engine: MakeEngine, tmp_path: Path) -> None:
    """It runs, but has nothing to pass on."""
    engine = make_engine(schemas=False, master={"runner_dirs": [str(CHECKOUT / "_runners")]})
    engine.start()
    engine.pid  # noqa: B018 - waits for the process
    module = load("_modules/websocket_api_reload.py", {}, {"cachedir": str(tmp_path)})
    answer = module.reload({"config_dir": str(engine.root)})
    assert answer == {"error": "the engine does not serve: look at the master's log", "runs": False}

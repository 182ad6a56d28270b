"""Every example configuration in the documents is valid, and gives its users what its entries say."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

pytest.importorskip("salt")

import salt.config
import salt.loader
from salt.utils.data import traverse_dict_and_list
from salt.utils.dictupdate import merge_recurse
from websocket_api import check_options
from websocket_api.settings import CLIENTS

from tests.unit.operations.engine import Engine, Refused

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
KNOWN_KEYS = {
    *("websocket_api", "engines", "external_auth", "file_roots", "fileserver_backend", "gitfs_remotes", "tracing"),
    *("cache.redis.host", "cache.redis.password", "eauth_tokens.cache_driver"),
    *("log_granular_levels", "log_level_logfile"),
}
"""Top-level keys of the examples: the formula's pillar, and the master's configuration."""
DEFAULT_CLIENTS = ("local", "local_async")
RUNNERS = {"runner", "runner_async"}

YAML = re.compile(r"^( *)```yaml\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    engines:\n(?:    .*\n)+", re.MULTILINE)
INLINE = re.compile(r"`options: (\{.*?\})` and `tls: (\{.*?\})`")


class StrictLoader(yaml.SafeLoader):
    """Refuses a key that is twice in a mapping, which Salt refuses too."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key is there twice: {keys}"
        return super().construct_mapping(node, deep)


def load(text: str) -> Any:
    """Parse YAML strictly."""
    return yaml.load(text, StrictLoader)


def texts() -> Iterator[tuple[str, str]]:
    """Yield the name of each example with its text."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found = [block for _, block in YAML.findall(text)] + INDENTED.findall(text)
        found += [f"websocket_api: {{options: {options}, tls: {tls}}}" for options, tls in INLINE.findall(text)]
        parts = [part for block in found for part in re.split(r"^# or$", block, flags=re.MULTILINE)]
        for number, part in enumerate(parts, 1):
            yield f"{page.name} {number}", part
    pillar = (CHECKOUT / "pillar.example").read_text(encoding="utf-8")
    yield "pillar.example", pillar
    example = re.search(r"For example, .*?\n  #\n((?:  #   .*\n)+)", pillar)
    assert example is not None
    yield "pillar.example external_auth", "external_auth:\n" + re.sub(r"^  #", "", example[1], flags=re.MULTILINE)


TEXTS = dict(texts())
EXAMPLES = {name: load(text) for name, text in TEXTS.items()}
PILLARS = {name: given["websocket_api"] for name, given in EXAMPLES.items() if "websocket_api" in given}
ENGINES = {name: given["engines"] for name, given in EXAMPLES.items() if "engines" in given}


def options(example: dict[str, Any]) -> dict[str, Any] | None:
    """Return the engine's options in an example, or None if it has nothing about the engine."""
    if "engines" in example:
        return dict(example["engines"][0]["websocket_api"])
    return dict(example["websocket_api"].get("options", {})) if "websocket_api" in example else None


def accounts() -> Iterator[tuple[str, str, list[Any], list[str]]]:
    """Yield each example user with the auth list and the clients that are enabled."""
    for name, example in EXAMPLES.items():
        auth = {**example, **example.get("websocket_api", {})}.get("external_auth") or {}
        given = options(example)
        clients = (given.get("clients") or list(DEFAULT_CLIENTS)) if given is not None else list(CLIENTS)
        for users in auth.values():
            for user, entries in users.items():
                yield name, user, entries, clients


class Functions(dict[str, Any]):
    """A minion's functions; the file server and the pillar are this checkout and the example.

    :param loaded: Salt's own functions, for all others
    """

    def __init__(self, loaded: Any, pillar: dict[str, Any]) -> None:
        super().__init__(
            {
                "cp.cache_file": lambda url, saltenv="base": str(CHECKOUT / url.removeprefix("salt://")),
                "cp.list_master": lambda saltenv, prefix: served(prefix),
                "pillar.get": lambda key, default="", **_: traverse_dict_and_list(pillar, key, default),
            }
        )
        self._loaded = loaded

    def __missing__(self, name: str) -> Any:
        return self._loaded[name]


def served(prefix: str) -> list[str]:
    """Return the files below a folder of this checkout, as the file server lists them."""
    folder = CHECKOUT / prefix
    return [str(path.relative_to(CHECKOUT)) for path in folder.rglob("*") if path.is_file()]


def load_module(name: str, functions: Functions) -> ModuleType:
    """Load an execution module of the formula with these functions."""
    spec = importlib.util.spec_from_file_location(f"documented_{name}", CHECKOUT / "_modules" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__salt__ = functions  # type: ignore[attr-defined]
    return module


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The formula's own check of a pillar, on a host whose master's configuration sets nothing."""
    root = tmp_path_factory.mktemp("host")
    (root / "minion").write_text("id: x\n")
    (root / "master").write_text(f"root_dir: {root}\n")
    opts = salt.config.minion_config(str(root / "minion"))
    opts.update(root_dir=str(root), cachedir=str(root / "cache"), file_client="local", config_dir=str(root), grains={})
    opts.update(module_dirs=[str(CHECKOUT / "_modules")], extension_modules=str(root / "extmods"))
    loaded = salt.loader.minion_mods(opts)
    defaults = yaml.safe_load((CHECKOUT / "websocket_api" / "defaults.yaml").read_text(encoding="utf-8"))

    def check(pillar: dict[str, Any]) -> list[str]:
        functions = Functions(loaded, {"websocket_api": pillar})
        files = load_module("websocket_api_files", functions)
        functions["websocket_api_files.faults"] = files.faults
        settings = merge_recurse(defaults["websocket_api"], pillar)
        settings["config_dir"] = str(root)
        found: list[str] = load_module("websocket_api_config", functions).faults(settings)
        return found

    return check


def test_the_examples_are_found() -> None:
    """On each page that shows how to configure the engine."""
    pages = {name.split()[0] for name in EXAMPLES}
    assert {"README.md", "install.md", "operating.md", "configuration.md", "permissions.md", "security.md"} <= pages
    assert {"pillar.example", "salt-api.md"} <= pages


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_sets_known_keys(name: str) -> None:
    """A misspelled key of the master's configuration is ignored in silence."""
    assert set(EXAMPLES[name]) <= KNOWN_KEYS


@pytest.mark.parametrize("name", PILLARS)
def test_the_formula_accepts_an_example_pillar(faults: Any, name: str) -> None:
    """As the state websocket_api.valid checks it before anything is written; a part extends a pillar with accounts."""
    accounts = PILLARS[name].get("external_auth") or PILLARS["README.md 1"]["external_auth"]
    assert faults({**PILLARS[name], "external_auth": accounts}) == []


@pytest.mark.parametrize("name", ENGINES)
def test_the_engine_accepts_example_options(name: str) -> None:
    """As the engine checks them at start."""
    ((engine, given),) = ENGINES[name][0].items()
    assert engine == "websocket_api"
    assert check_options.faults(given, CHECKOUT / "schemas") == []


def test_the_pillars_check_finds_faults(faults: Any) -> None:
    """An example with a wrong key or option would fail."""
    accounts = PILLARS["README.md 1"]["external_auth"]
    assert len(faults({"external_auth": accounts, "option": {}, "options": {"port": "x", "clients": ["runners"]}})) == 3


@pytest.mark.parametrize(("name", "user", "entries", "clients"), list(accounts()))
async def test_a_user_gets_what_the_entries_say(name: str, user: str, entries: list[Any], clients: list[str]) -> None:
    """`.*` runs any function, `@runner` any runner, `{target: [function]}` that function there and nowhere else."""
    engine = Engine(**{user: entries})
    engine.set(clients=tuple(clients))
    engine.commands.answers = {"manage.up": []}
    talker = await engine.user(user)

    async def may(operation: str, **fields: Any) -> bool:
        try:
            await talker.ask(operation, **fields)
        except Refused as refused:
            return refused.code != "forbidden"
        return True

    everything, names = ".*" in entries, [entry for entry in entries if isinstance(entry, str)]
    assert await may("cmd", fun="cmd.run", arg=["id"], tgt="*") == everything
    assert await may("runner", fun="manage.up") == bool("@runner" in names and RUNNERS & set(clients))
    if "@runner" in entries:
        assert RUNNERS & set(clients), f"{name}: {user} has @runner, but clients lists no runner"
    for entry in entries:
        for target, functions in entry.items() if isinstance(entry, dict) else ():
            if not target.startswith("@"):
                assert await may("cmd", fun=functions[0], tgt="web1")
                assert await may("cmd", fun=functions[0], tgt="db") == everything
    fires = (everything and "@runner" in entries) or any("@fire" in entry for entry in entries)
    assert await may("event", tag="myco/deploy/start", body={}) == fires


@pytest.mark.parametrize("page", ["permissions.md", "security.md"])
def test_a_page_that_grants_runners_names_the_option_that_enables_them(page: str) -> None:
    """Its examples have no options, so its text must say that `clients` counts too."""
    assert "option `clients`" in (CHECKOUT / "docs" / page).read_text(encoding="utf-8")


def test_the_pillar_example_says_that_runners_must_be_enabled() -> None:
    """Its default of `clients` enables none."""
    assert "options:clients" in TEXTS["pillar.example external_auth"]

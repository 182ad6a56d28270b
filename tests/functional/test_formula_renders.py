"""The formula's state files as Salt renders them: strict YAML, whatever the pillar says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("salt")
pytest.importorskip("yamllint", reason="linters are in the environment of Salt 3008 only")

import salt.client
import salt.config
from yamllint import linter
from yamllint.config import YamlLintConfig

CHECKOUT = Path(__file__).resolve().parents[2]
STATES = sorted(path.name for path in (CHECKOUT / "websocket_api").glob("*.sls"))

PILLARS: dict[str, Any] = {
    "nothing": {},
    "the example": yaml.safe_load((CHECKOUT / "pillar.example").read_text(encoding="utf-8")),
    "much": {
        "websocket_api": {
            "options": {"address": "::", "cors_origin": ["https://a.example.com"], "limits": {"jobs": 5}},
            "external_auth": {"pam": {"ann": [".*", {"web* and G@os:'x'": ["test.*"]}]}},
            "pip": {"index_url": "https://pypi.example.com/simple", "no_index": False},
            "service": {"restart": "sh -c 'restart \"it\": now'"},
            "rollout": {"masters": {"m1": "https://m1:8000/", "m2": None}, "group": 2},
        }
    },
    "nonsense": {"websocket_api": {"tls": 5, "service": [], "options": "x", "pip": None}},
}


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Render state files with a pillar: ``render(pillar)`` returns the texts of all by name."""
    root = tmp_path_factory.mktemp("minion")
    files = root / "files"
    files.mkdir()
    (files / "websocket_api").symlink_to(CHECKOUT / "websocket_api")
    (root / "minion").write_text("id: x\n")
    opts = salt.config.minion_config(str(root / "minion"))
    opts.update(root_dir=str(root), cachedir=str(root / "cache"), file_client="local", config_dir="/etc/salt")
    opts.update(file_roots={"base": [str(files)]}, extension_modules=str(root / "extmods"), grains={})

    def rendered(pillar: dict[str, Any], names: list[str] = STATES) -> dict[str, str]:
        caller = salt.client.Caller(mopts={**opts, "pillar": pillar})
        return {
            name: str(caller.cmd("slsutil.renderer", path=f"salt://websocket_api/{name}", default_renderer="jinja"))
            for name in names
        }

    return rendered


@pytest.mark.parametrize("pillar", PILLARS.values(), ids=PILLARS)
def test_the_state_files_are_strict_yaml_whatever_the_pillar(render: Any, pillar: dict[str, Any]) -> None:
    """yamllint --strict has nothing to say but about the length of lines, which hold a whole pillar."""
    config = YamlLintConfig("{extends: default, rules: {line-length: disable, document-start: disable}}")
    for name, text in render(pillar).items():
        assert [f"{name}: {problem}" for problem in linter.run(text, config)] == []
        assert isinstance(yaml.safe_load(text), dict)


def test_what_the_pillar_says_arrives_unchanged(render: Any) -> None:
    """Quotes, colons and compound targets survive the way through Jinja and YAML."""
    names = ["service.sls", "config.sls", "rollout.sls"]
    files = {name: yaml.safe_load(text) for name, text in render(PILLARS["much"], names).items()}
    given = PILLARS["much"]["websocket_api"]
    (restart,) = [step["name"] for step in files["service.sls"]["websocket_api_master"]["cmd.run"] if "name" in step]
    assert restart == given["service"]["restart"]
    settings = files["config.sls"]["websocket_api_config"]["websocket_api.configured"][0]["settings"]
    assert settings["external_auth"] == given["external_auth"]
    assert settings["options"] == given["options"]
    targets = [step["tgt"] for step in files["rollout.sls"]["websocket_api_group_1"]["salt.state"] if "tgt" in step]
    assert targets == [["m1", "m2"]]


@pytest.mark.parametrize("group", [0, -1, "two", 1.5, None, True])
def test_a_rollout_in_groups_of_no_size_takes_none(render: Any, group: Any) -> None:
    """It fails with the reason, where Jinja would have made one group of all masters."""
    pillar = {"websocket_api": {"rollout": {"masters": ["m1", "m2"], "group": group}}}
    steps = yaml.safe_load(render(pillar, ["rollout.sls"])["rollout.sls"])
    assert set(steps) == {"websocket_api_own_runner", "websocket_api_no_groups"}
    assert "group must be a whole number above 0" in str(steps["websocket_api_no_groups"])

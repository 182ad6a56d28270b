"""``make release``: the archive for a master's file server."""

from __future__ import annotations

import importlib.util
import pathlib
import shutil
import subprocess
import tarfile
from types import ModuleType

import pytest
import websocket_api
from websocket_api.contract import digest

ROOT = pathlib.Path(__file__).parents[2]

pytestmark = [
    pytest.mark.any_python,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no git checkout"),
]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """tools/release.py."""
    spec = importlib.util.spec_from_file_location("release_tool", ROOT / "tools" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def unpacked(tool: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The unpacked archive of this checkout."""
    folder = tmp_path_factory.mktemp("release")
    with tarfile.open(tool.archive(ROOT, folder / "dist")) as tar:
        for entry in tar.getmembers():
            assert entry.isreg()
            assert entry.name.startswith(f"websocket_api-{websocket_api.__version__}/")
        tar.extractall(folder)
    return folder / f"websocket_api-{websocket_api.__version__}"


def test_the_archive_has_what_a_file_server_needs_and_no_tests(unpacked: pathlib.Path) -> None:
    """The whole repository would serve tests, tools and documents to every minion."""
    served = {"_engines", "_modules", "_runners", "_states", "websocket_api"}
    about = {"FORMULA", "LICENSE", "CHANGELOG.md", "pillar.example"}
    assert {path.name for path in unpacked.iterdir()} == served | about
    assert digest.changed(unpacked / "websocket_api" / "schemas") == []
    for name in ("websocket_api/init.sls", "websocket_api/console/index.html", "_engines/websocket_api/server.py"):
        assert (unpacked / name).read_bytes() == (ROOT / name).read_bytes()
    assert not list(unpacked.rglob("*.pyc"))
    assert not list(unpacked.rglob("test_*"))


def test_two_archives_of_one_commit_are_equal(tool: ModuleType, tmp_path: pathlib.Path) -> None:
    """Anybody can build it again and compare; ``sha256sum --check`` accepts it."""
    first, second = (tool.archive(ROOT, tmp_path / name) for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    subprocess.run(["sha256sum", "--check", f"{first.name}.sha256"], cwd=first.parent, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("schemas/VERSION", "9.9.9\n", "the versions differ: .*'schemas/VERSION': '9.9.9'"),
        ("FORMULA", "version: 9.9.9\n", "the versions differ: .*'FORMULA': '9.9.9'"),
        ("schemas/common.json", "{}", "the folder schemas .*common.json changed or missing: run make docs"),
    ],
)
def test_a_checkout_that_is_no_release_is_refused(
    tool: ModuleType, tmp_path: pathlib.Path, name: str, content: str, says: str
) -> None:
    """An archive whose parts do not fit each other must not exist."""
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    shutil.copy(ROOT / "FORMULA", tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(tool.ReleaseError, match=says):
        tool.archive(tmp_path, tmp_path / "dist")

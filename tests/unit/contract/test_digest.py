"""Schemas of another release are noticed, whatever their VERSION says."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Callable

import pytest
import websocket_api
from websocket_api.contract import digest, manifest

DIRECTORY = pathlib.Path(__file__).parents[3] / "schemas"
VERSION = websocket_api.__version__
OPERATIONS = sorted(f"operations/{path.name}" for path in DIRECTORY.glob("operations/*.json"))

Change = Callable[[pathlib.Path], object]


@pytest.fixture
def copy(tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the schemas that a test may change."""
    return pathlib.Path(shutil.copytree(DIRECTORY, tmp_path / "schemas"))


def test_the_schemas_of_this_checkout_fit_the_engine() -> None:
    """All files are known by their digest, the two documents and the version too."""
    assert digest.changed(DIRECTORY) == []
    there = {path.relative_to(DIRECTORY).as_posix() for path in DIRECTORY.rglob("*") if path.is_file()}
    assert there == manifest.FILES.keys()


def test_files_of_others_in_the_folder_do_not_matter(copy: pathlib.Path) -> None:
    """The file server merges folders of the same name from several roots."""
    (copy / "customer.json").write_text("[]")
    (copy / "operations" / "customer.json").write_text("{")
    assert digest.changed(copy) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda copy: (copy / "VERSION").write_text("9.9.9\n"), f"is release 9.9.9, the engine {VERSION}"),
        (
            lambda copy: (copy / "common.json").write_text("{}"),
            f"is not release {VERSION} of the engine: common.json changed or missing",
        ),
        (
            lambda copy: (copy / "operations" / "cmd.json").unlink(),
            f"is not release {VERSION} of the engine: operations/cmd.json changed or missing",
        ),
        (
            lambda copy: (copy / "openapi.json").unlink(),
            f"is not release {VERSION} of the engine: openapi.json changed or missing",
        ),
        (
            lambda copy: (copy / "VERSION").unlink(),
            f"is not release {VERSION} of the engine: VERSION changed or missing",
        ),
        (
            lambda copy: shutil.rmtree(copy / "operations"),
            f"is not release {VERSION} of the engine: {', '.join(OPERATIONS[:5])}, ... changed or missing",
        ),
    ],
)
def test_other_content_is_noticed_and_described(copy: pathlib.Path, change: Change, expected: str) -> None:
    """By the version if that differs, else by the names of files."""
    change(copy)
    assert digest.changed(copy)
    assert digest.describe(copy, VERSION) == expected

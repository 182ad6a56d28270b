"""How `make` builds its virtual environments: tools/venv.sh, in whatever folder somebody cloned into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.functional.running import CHECKOUT


def test_an_environment_is_built_in_a_folder_whose_path_has_a_space(tmp_path: Path) -> None:
    """The environment is there, and marked as whole."""
    folder = tmp_path / "my projects"
    shutil.copytree(CHECKOUT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "requirements").mkdir()
    shutil.copy(CHECKOUT / "requirements" / "build.txt", folder / "requirements")
    (folder / "requirements" / "test.txt").touch()  # nothing to install: this is about the way there
    command = [str(folder / "tools" / "venv.sh"), ".venv", "3.11", "requirements/test.txt"]
    built = subprocess.run(
        command, check=False, env=os.environ | {"PYTHON": sys.executable}, capture_output=True, text=True, timeout=120
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert (folder / ".venv" / ".made").exists()
    assert (folder / ".venv" / "bin" / "python").exists()

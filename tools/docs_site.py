"""Build the documents as a site in .site/html: ``make docs-site``. A broken link or anchor fails the build.

The site needs no network, neither to build nor to read. Pages keep their places in the repository, so that relative
links work both there and on the site.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SITE = ROOT / ".site"
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "changelog/README.md",
    "pillar.example",
    "LICENSE",
)
FOLDERS = ("docs", "examples")
LIST_ENTRY = re.compile(r"(\* |\d\. )")


def copy_pages(target: pathlib.Path) -> None:
    """Copy the pages, and what they link to, into an empty folder."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in PAGES:
        (target / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for page in target.rglob("*.md"):
        page.write_text(for_markdown(page.read_text(encoding="utf-8")), encoding="utf-8")


def for_markdown(text: str) -> str:
    """Return a page as Python-Markdown needs it: an empty line before lists, and 4 spaces in entries."""
    lines: list[str] = []
    more, in_code = "", False  # spaces to add to lines of the current list entry; whether this is a block of code
    for line in text.split("\n"):
        entry = None if in_code else LIST_ENTRY.match(line)
        if entry:
            if not more and lines and lines[-1]:
                lines.append("")
            more = " " * (4 - len(entry[0]))
        elif line and not line.startswith(" "):
            more = ""
        in_code ^= line.lstrip().startswith("```")
        lines.append(more + line if line and not entry else line)
    return "\n".join(lines)


def main() -> int:
    """Build the site; return the exit code of mkdocs."""
    copy_pages(SITE / "pages")
    # Without --quiet, which also hides warnings from --strict.
    built = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict"], cwd=ROOT, check=False)
    if built.returncode == 0:
        print(f"wrote {(SITE / 'html' / 'index.html').relative_to(ROOT)}")
    return built.returncode


if __name__ == "__main__":
    sys.exit(main())

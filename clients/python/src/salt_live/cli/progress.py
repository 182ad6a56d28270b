"""The lines that show how far a job is: a bar, the slowest minions, and the missing ones."""

from __future__ import annotations

from typing import Any

from salt_live.cli.text import clock, plural

BAR_WIDTH = 24
SHOWN_SLOTS = 8
SHOWN_MINIONS = 3  # the screen stays readable with 5,000 minions


def bar(done: int, total: int, failed: int, seconds: float) -> str:
    """Return a line such as ``[####----] 37 of 50 returned, 2 failed, 00:12``."""
    filled = BAR_WIDTH * done // total if total else 0
    bad = f", {failed:,} failed" if failed else ""
    return f"[{'#' * filled}{'-' * (BAR_WIDTH - filled)}] {done:,} of {total:,} returned{bad}, {clock(seconds)}"


def lines(parts: dict[str, dict[str, Any]], total: int, failed: int, seconds: float) -> list[str]:
    """Return the lines for a job.

    :param parts: what each minion last reported
    :param total: how many minions the job has
    """
    waiting = [(minion, part) for minion, part in parts.items() if part["state"] in ("pending", "running")]
    missing = [minion for minion, part in parts.items() if part["state"] == "missing"]
    done = len(parts) - len(waiting) - len(missing)
    shown = [bar(done, max(total, len(parts)), failed, seconds)]
    if not waiting or seconds < 2:
        return shown
    reporting = sorted((item for item in waiting if item[1].get("message")), key=lambda item: item[1]["progress"])
    for minion, part in reporting[:SHOWN_MINIONS]:
        shown.append(f"  {minion}  {part['progress']:.0f} %  {part['message']}")
    silent = [minion for minion, part in waiting if not part.get("message")]
    if silent:
        shown.append(f"  waiting for {some(silent)}")
    if missing:
        shown.append(f"  missing: {some(missing)}")
    return shown


def slots(parts: list[dict[str, Any]]) -> list[str]:
    """Return a line for each minion of a batch that runs now, with its own bar."""
    running = [part for part in parts if part["status"] == "sent"]
    shown = []
    for part in running[:SHOWN_SLOTS]:
        filled = int(BAR_WIDTH * (part.get("progress") or 0) / 100)
        shown.append(
            f"  [{'#' * filled}{'-' * (BAR_WIDTH - filled)}] {part['minion']}  {part.get('message') or ''}".rstrip()
        )
    if len(running) > len(shown):
        shown.append(f"  and {plural(len(running) - len(shown), 'minion')} more")
    return shown


def some(names: list[str], limit: int = SHOWN_MINIONS) -> str:
    """Return the first names and the count of the others."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit:,} more"

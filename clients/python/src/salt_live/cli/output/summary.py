"""One table over all minions at the end of a highstate, with failed states grouped by identical outcome."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from salt_live.cli.output.style import Style
from salt_live.cli.progress import some
from salt_live.cli.text import one_line, plural

MAX_ROWS = 40  # more rows are grouped by equal counts
COMMENT_WIDTH = 300


@dataclass
class StatesSummary:
    """The counts of each minion, and the minions of each failure."""

    counts: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    failures: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, minion: str, data: Any) -> None:
        """Add one minion's return; what is no highstate counts as one failure."""
        if not isinstance(data, dict):
            faults = data if isinstance(data, list) else [data]
            for fault in faults:
                self.failures["no states were run", one_line(str(fault))].append(minion)
            self.counts[minion] = (0, 0, max(1, len(faults)))
            return
        states = {key: state for key, state in data.items() if isinstance(state, dict) and "result" in state}
        good = sum(state["result"] is not False for state in states.values())
        changed = sum(bool(state.get("changes")) for state in states.values())
        self.counts[minion] = (good, changed, len(states) - good)
        for key, state in states.items():
            if state["result"] is False:
                name = f"{key.split('_|-')[0]}.{key.split('_|-')[-1]}: {state.get('__id__') or key.split('_|-')[1]}"
                self.failures[name, one_line(str(state.get("comment", "")).strip())].append(minion)

    def table(self, style: Style, width: int) -> str:
        """Return the table and the groups of failures."""
        rows: list[tuple[str, tuple[int, int, int]]] = sorted(self.counts.items())
        if len(rows) > MAX_ROWS:
            groups: dict[tuple[int, int, int], list[str]] = defaultdict(list)
            for minion, counts in rows:
                groups[counts].append(minion)
            rows = [(plural(len(found), "minion") + f": {some(found, 2)}", counts) for counts, found in groups.items()]
            rows.sort(key=lambda row: -row[1][2])
        names = max([len("minion"), *(len(name) for name, _ in rows)])
        names = min(names, max(20, width - 32))
        lines = ["", f"{'minion':<{names}}  succeeded  changed  failed"]
        for name, (good, changed, failed) in rows:
            text = f"{one_line(name)[:names]:<{names}}  {good:>9}  {changed:>7}  {failed:>6}"
            lines.append(style.paint("red" if failed else "cyan" if changed else "green", text))
        for (state, comment), minions in sorted(self.failures.items(), key=lambda item: (-len(item[1]), item[0])):
            lines.append("")
            lines.append(style.paint("red", f"failed on {plural(len(minions), 'minion')}: {one_line(state)}"))
            for text in (comment[:COMMENT_WIDTH], one_line(some(sorted(minions), 10))):
                lines += textwrap.wrap(text, width, initial_indent="    ", subsequent_indent="    ")
        return "\n".join(lines)

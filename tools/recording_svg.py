"""Draw a recording of a terminal (asciicast 2) as an animated SVG, which browsers and GitHub play as an image.

Each line that the terminal ever shows is drawn once. Each frame refers to its lines, and the frames stand side by side
behind a window that moves from one to the next.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Cell = tuple[str, str]  # a character and the names of its classes
Line = tuple[Cell, ...]

CELL, LINE, MARGIN = 8.4, 18, 12  # pixels
STEP_SECONDS = 0.2  # changes that follow one another sooner share a frame
LAST_SECONDS = 4.0  # how long the last frame stays
COLORS = {31: "red", 32: "green", 33: "yellow", 34: "blue", 35: "magenta", 36: "cyan"}
STYLE = """\
text { font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d8dee4; white-space: pre }
.bold { font-weight: bold } .red { fill: #ff7b72 } .green { fill: #7ee787 } .yellow { fill: #e3b341 }
.blue { fill: #79c0ff } .magenta { fill: #d2a8ff } .cyan { fill: #76e3ea }"""
PART = re.compile(r"\x1b\[([\d;?]*)([A-Za-z])|([\r\n\b])|(.)", re.DOTALL)


@dataclass
class Screen:
    """A terminal that knows what the command line writes: colours, new lines, and going up to erase lines."""

    columns: int
    rows: int
    lines: list[list[Cell]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    style: str = ""

    def write(self, text: str) -> None:
        """Show text.

        :raises ValueError: it has a control sequence that is not known
        """
        for numbers, command, control, letter in PART.findall(text):
            if command:
                self._command(command, numbers)
            elif control == "\n":
                self._next_line()
            elif control:
                self.column = 0 if control == "\r" else max(0, self.column - 1)
            else:
                self._put(letter)

    def _put(self, letter: str) -> None:
        if self.column == self.columns:
            self._next_line()
            self.column = 0
        line = self.lines[self.row]
        line.extend([(" ", "")] * (self.column - len(line)))
        line[self.column : self.column + 1] = [(letter, self.style)]
        self.column += 1

    def _next_line(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])
        if len(self.lines) > self.rows:
            del self.lines[0]
            self.row -= 1

    def _command(self, command: str, numbers: str) -> None:
        if command == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif command == "K" and numbers == "2":
            self.lines[self.row] = []
        elif command == "m":
            for number in map(int, (numbers or "0").split(";")):
                self._color(number)
        elif command not in "hl":  # modes of the terminal draw nothing
            raise ValueError(f"the control sequence {numbers}{command} is not known")

    def _color(self, number: int) -> None:
        if number == 0:
            self.style = ""
        elif number == 1:
            self.style = f"{self.style} bold".strip()
        elif number in COLORS:
            self.style = " ".join([word for word in self.style.split() if word == "bold"] + [COLORS[number]])

    @property
    def shown(self) -> tuple[Line, ...]:
        """What can be seen now."""
        return tuple(tuple(line) for line in self.lines)


def frames(cast: str) -> Iterator[tuple[float, tuple[Line, ...]]]:
    """Yield when each frame begins, in seconds, and its lines."""
    head, *events = map(json.loads, cast.splitlines())
    screen = Screen(head["width"], head["height"])
    began, before = 0.0, None
    for at, _, text in events:
        if at - began >= STEP_SECONDS and screen.shown != before:
            before = screen.shown
            yield began, before
            began = at
        screen.write(text)
    yield began, screen.shown


def draw(cast: str) -> str:
    """Return a recording as SVG."""
    head: dict[str, Any] = json.loads(cast.splitlines()[0])
    found = list(frames(cast))
    seconds = found[-1][0] + LAST_SECONDS
    width = round(head["width"] * CELL + 2 * MARGIN)
    height = head["height"] * LINE + 2 * MARGIN
    known: dict[Line, str] = {}
    pictures, steps = [], []
    for number, (began, lines) in enumerate(found):
        uses = []
        for row, line in enumerate(lines):
            if line:
                name = known.setdefault(line, f"l{len(known)}")
                uses.append(f'<use href="#{name}" y="{row * LINE}"/>')
        pictures.append(f'<g transform="translate({number * width})">{"".join(uses)}</g>')
        steps.append(f"{100 * began / seconds:.3f}%{{transform:translateX({-number * width}px)}}")
    last = f"translateX({-(len(found) - 1) * width}px)"
    drawn = [f'<g id="{name}">{_text(line)}</g>' for line, name in known.items()]
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{html.escape(head["title"])}">',
            "<style>",
            STYLE,
            f"@keyframes play {{{''.join(steps)}}}",
            f"#frames {{ animation: play {seconds:.2f}s steps(1, end) infinite }}",
            f"@media (prefers-reduced-motion: reduce) {{ #frames {{ animation: none; transform: {last} }} }}",
            "</style>",
            f"<defs>{''.join(drawn)}</defs>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>',
            f'<svg x="{MARGIN}" y="{MARGIN}" width="{width - 2 * MARGIN}" height="{height - 2 * MARGIN}">',
            '<g id="frames">',
            *pictures,
            "</g></svg></svg>\n",
        ]
    )


def _text(line: Line) -> str:
    """Return a line as SVG: one text for each run of characters of the same style."""
    found, start = [], 0
    while start < len(line):
        end = start
        while end < len(line) and line[end][1] == line[start][1]:
            end += 1
        text = "".join(letter for letter, _ in line[start:end])
        if text.strip():
            style = f' class="{line[start][1]}"' if line[start][1] else ""
            length = f' textLength="{round(len(text) * CELL, 1):g}"'
            found.append(f'<text x="{round(start * CELL, 1):g}" y="14"{length}{style}>{html.escape(text)}</text>')
        start = end
    return "".join(found)


if __name__ == "__main__":
    import sys

    source = Path(sys.argv[1])
    source.with_suffix(".svg").write_text(draw(source.read_text("utf-8")), "utf-8")

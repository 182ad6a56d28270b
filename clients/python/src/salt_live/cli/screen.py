"""stdout for returns, stderr for progress and notes; on a terminal the bar makes way for each return."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from salt_live.cli.output.forms import check_form, render
from salt_live.cli.output.style import Style
from salt_live.cli.text import encodable, one_line, visible, visible_data

WIDTH = 80  # where there is no terminal to ask
DRAW_SECONDS = 0.1  # between two drawings


class Screen:
    """Where a verb writes.

    :param options: the options of the output form
    :raises UnknownForm: there is no such form
    """

    def __init__(
        self, options: Any, env: Mapping[str, str], out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self.out, self.err = out or sys.stdout, err or sys.stderr
        self.form: str | None = "quiet" if options.quiet and not options.out else options.out
        check_form(self.form)
        self._file = self._open(options)
        self.terminal = self._file is None and self.out.isatty()
        self.show_progress = self.err.isatty() and self.form != "quiet" and env.get("TERM") != "dumb"
        color = self.terminal and "NO_COLOR" not in env and env.get("TERM") != "dumb"
        self.color = options.force_color or (color and not options.no_color)
        self.err_color = self.err.isatty() and "NO_COLOR" not in env and not options.no_color
        self.style = Style(
            color=self.color,
            indent=_indent(options.out_indent),
            state_output=options.state_output,
            state_verbose=options.state_verbose.lower() not in ("false", "no", "0"),
            state_output_diff=options.state_output_diff,
        )
        self._drawn = 0
        self._drawn_at = 0.0

    @staticmethod
    def _open(options: Any) -> TextIO | None:
        if options.out_file_append:
            return Path(options.out_file_append).open("a", encoding="utf-8")
        return Path(options.out_file).open("w", encoding="utf-8") if options.out_file else None

    @property
    def width(self) -> int:
        """How many columns a line may have."""
        return max(20, shutil.get_terminal_size((WIDTH, 24)).columns)

    def returned(self, data: Any, form: str | None = None, *, retcode: int = 0) -> None:
        """Write returns in the chosen form.

        :param form: the form that the minion or the master sent with them
        """
        chosen = self.form if self.form and self.form != "highstate" else form or self.form
        shown = visible_data(data) if self.terminal and chosen != "json" else data
        text = render(shown, chosen, self.style, retcode=retcode)
        if text:
            self.line(visible(text) if self.terminal and chosen == "json" else text)

    def line(self, text: str) -> None:
        """Write text and a line end to stdout, at once."""
        self.erase()
        file = self._file or self.out
        file.write(encodable(text) + "\n")
        file.flush()

    def note(self, text: str) -> None:
        """Write a line to stderr."""
        self.erase()
        self.err.write(encodable(text) + "\n")
        self.err.flush()

    @property
    def wants_progress(self) -> bool:
        """Whether to draw now: only on a terminal, and not for each of thousands of returns."""
        return self.show_progress and time.monotonic() - self._drawn_at > DRAW_SECONDS

    def draw(self, lines: list[str]) -> None:
        """Show lines below all output, in place of the last ones; only on a terminal."""
        if not self.show_progress:
            return
        self._drawn_at = time.monotonic()
        self.erase()
        width = self.width - 1
        shown = [one_line(line) for line in lines]
        shown = [line if len(line) <= width else line[: width - 1] + "…" for line in shown]
        self.err.write("\r" + "\n".join(shown))
        self.err.flush()
        self._drawn = len(shown)

    def erase(self) -> None:
        """Remove the drawn lines."""
        if self._drawn:
            self.err.write("\r\x1b[2K" + "\x1b[1A\x1b[2K" * (self._drawn - 1))
            self.err.flush()
            self._drawn = 0

    def close(self) -> None:
        """Remove the drawn lines and close the file."""
        self.erase()
        if self._file is not None:
            self._file.close()


def _indent(text: str | None) -> int | str | None:
    """Return the value of ``--out-indent``."""
    if text is None or text == "pretty":
        return text
    try:
        return int(text)
    except ValueError:
        return -1  # Salt's "null": one line


def hide_broken_pipe() -> None:
    """Keep Python from writing to stdout at its exit, when the reader has gone."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())

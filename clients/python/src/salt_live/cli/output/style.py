"""What the output forms share: options, and Salt's colours."""

from __future__ import annotations

from dataclasses import dataclass

CODES = {
    "red": "0;31",
    "light_red": "0;1;31",
    "green": "0;32",
    "light_green": "0;1;32",
    "yellow": "0;33",
    "light_yellow": "0;1;33",
    "blue": "0;34",
    "light_blue": "0;1;34",
    "magenta": "0;35",
    "light_magenta": "0;1;35",
    "cyan": "0;36",
}


@dataclass(frozen=True)
class Style:
    """How to write returns.

    :param color: whether to use colours
    :param indent: ``--out-indent``: spaces, ``"pretty"``, or None for the form's own; negative for one line
    :param state_output: ``--state-output``: full, terse, mixed or changes, each also with ``_id``
    :param state_verbose: whether to show states that succeeded and changed nothing
    """

    color: bool = False
    indent: int | str | None = None
    state_output: str = "full"
    state_verbose: bool = True
    state_output_diff: bool = False
    state_output_profile: bool = True
    state_tabular: bool = False

    def paint(self, name: str, text: str) -> str:
        """Return text in a colour."""
        return f"\x1b[{CODES[name]}m{text}\x1b[0;0m" if self.color else text


def without_escapes(text: str) -> str:
    """Return text without the character that starts commands to a terminal, as Salt does."""
    return text.replace("\x1b", "?")

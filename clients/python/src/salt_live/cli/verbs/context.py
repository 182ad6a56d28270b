"""What each verb gets."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from salt_live.cli.arguments import parse
from salt_live.cli.login import Login
from salt_live.cli.parser import UsageError
from salt_live.cli.screen import Screen


@dataclass
class Context:
    """The options, where to write, and how to connect."""

    options: argparse.Namespace
    screen: Screen
    login: Login

    @property
    def words(self) -> list[str]:
        """The words of the command line that are no options."""
        return list(getattr(self.options, "words", []))

    def function(self, place: int, what: str) -> tuple[str, list[Any], dict[str, Any]]:
        """Return the function at a place of the words, and its arguments.

        :raises UsageError: there is none
        """
        words = self.words
        if len(words) <= place:
            raise UsageError(f"{what} is missing")
        if "," in words[place]:
            raise UsageError("several functions at once are not supported: run them one after another")
        arg, kwarg = parse(words[place + 1 :])
        return words[place], arg, kwarg


def split_target(text: str, kind: str) -> str | list[str]:
    """Return a target as the engine reads it: a list is split at commas, else at white space, as Salt does."""
    if kind != "list":
        return text
    return text.replace(" ", "").split(",") if "," in text else text.split()

"""Parse the command line: find the verb, then its options, which may stand anywhere."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from salt_live.cli import help_texts, options


class UsageError(Exception):
    """The command line cannot be understood."""


class HelpWanted(Exception):
    """``--help`` or ``--version``: the message is the text to print."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options; ``verb`` is the verb.

    :raises UsageError: an option is unknown or lacks its value
    :raises HelpWanted: help was requested
    """
    verb, rest = split_verb(argv)
    own = rest[: rest.index("--")] if "--" in rest else rest
    if "-h" in own or "--help" in own:
        raise HelpWanted(help_texts.of(verb if verb in argv else None))
    if "--version" in own:
        from salt_live.version import __version__

        raise HelpWanted(f"salt-live {__version__}")
    parser = parser_of(verb)
    takes_words = any(not action.option_strings for action in parser._actions)
    found = parser.parse_intermixed_args(rest) if takes_words else parser.parse_args(rest)
    found.verb = verb
    return found


def split_verb(argv: list[str]) -> tuple[str, list[str]]:
    """Return the verb, ``cmd`` if there is none, and the other words.

    The verb is the first word that is neither an option nor an option's value.
    """
    takes_value = {
        name: action.nargs != 0
        for add in (None, "cmd")
        for action in (parser_of(add) if add else _common())._actions
        for name in action.option_strings
    }
    place = 0
    while place < len(argv):
        word = argv[place]
        if not word.startswith("-") or word == "-":
            break
        if word == "--":
            return "cmd", argv
        place += 2 if takes_value.get(word) else 1
    if place < len(argv) and argv[place] in options.ADD:
        return argv[place], argv[:place] + argv[place + 1 :]
    return "cmd", argv


def parser_of(verb: str) -> argparse.ArgumentParser:
    """Return the parser of a verb, with the options that all have."""
    parser = _Parser(prog="salt-live", add_help=False, conflict_handler="resolve")
    options.connection(parser)
    options.outputs(parser)
    options.ADD[verb](parser)
    return parser


def _common() -> argparse.ArgumentParser:
    parser: Any = _Parser(prog="salt-live", add_help=False)
    options.connection(parser)
    options.outputs(parser)
    return parser  # type: ignore[no-any-return]

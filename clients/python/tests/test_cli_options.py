"""The command line: verbs, options anywhere, help that fits a screen."""

from __future__ import annotations

import pytest
from salt_live.cli import options
from salt_live.cli.main import VERBS
from salt_live.cli.parser import HelpWanted, UsageError, parse, parser_of
from salt_live.cli.returns import chosen_code, worst
from salt_live.cli.verbs.context import split_target


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("* test.ping", {"verb": "cmd", "words": ["*", "test.ping"], "tgt_type": "glob"}),
        ("-G os:Debian test.ping", {"tgt_type": "grain", "words": ["os:Debian", "test.ping"]}),
        ("-C x test.ping", {"tgt_type": "compound"}),
        ("-E x test.ping", {"tgt_type": "pcre"}),
        ("-L a,b test.ping", {"tgt_type": "list"}),
        ("-N x test.ping", {"tgt_type": "nodegroup"}),
        ("-S 10.0.0.0/8 test.ping", {"tgt_type": "ipcidr"}),
        ("-I role:web test.ping", {"tgt_type": "pillar"}),
        ("-R %x test.ping", {"tgt_type": "range"}),
        ("* test.ping --out=json -t 5 --static", {"out": "json", "timeout": 5.0, "static": True}),
        ("* cmd.run -b 10% uptime", {"batch": "10%", "words": ["*", "cmd.run", "uptime"]}),
        ("* cmd.run -- -x", {"words": ["*", "cmd.run", "-x"]}),
        ("-a pam -T * test.ping", {"eauth": "pam", "make_token": True}),
        ("-u http://h:8000 -p prod * test.ping", {"url": "http://h:8000", "profile": "prod"}),
        ("--client runner jobs.active", {"client": "runner", "words": ["jobs.active"]}),
        ("run jobs.active", {"verb": "run", "words": ["jobs.active"]}),
        ("-u h run jobs.active", {"verb": "run", "url": "h"}),
        ("--out json wheel key.list_all", {"verb": "wheel", "out": "json"}),
        ("key -a web1 -y", {"verb": "key", "accept": "web1", "yes": True, "eauth": None}),
        ("key -L", {"verb": "key", "list_all": True}),
        ("key list pending", {"verb": "key", "words": ["list", "pending"]}),
        ("events salt/job count=2 --json", {"verb": "events", "json_lines": True, "words": ["salt/job", "count=2"]}),
        ("jobs -w", {"verb": "jobs", "watch": True}),
        ("jobs --master m2", {"verb": "jobs", "master": "m2"}),
        ("events --master m2 salt/job", {"verb": "events", "master": "m2", "words": ["salt/job"]}),
        ("minions --master m2", {"verb": "minions", "master": "m2"}),
        ("job 20141103073312975821 -w", {"verb": "job", "watch": True, "words": ["20141103073312975821"]}),
        ("batch -b 2 * test.ping", {"verb": "batch", "batch": "2"}),
        ("cmd key test.ping", {"verb": "cmd", "words": ["key", "test.ping"]}),
        ("whoami --out json", {"verb": "whoami", "out": "json"}),
        ("login --username alice", {"verb": "login", "username": "alice"}),
    ],
)
def test_lines_of_salt_and_pepper_are_understood(line: str, expected: dict[str, object]) -> None:
    found = vars(parse(line.split()))
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("line", ["--nonsense", "* test.ping -t x", "jobs stray", "-u", "* test.ping --client ssh"])
def test_a_wrong_line_is_refused(line: str) -> None:
    with pytest.raises(UsageError):
        parse(line.split())


@pytest.mark.parametrize("verb", [None, *VERBS])
def test_help_fits_a_screen(verb: str | None) -> None:
    with pytest.raises(HelpWanted) as caught:
        parse([*([verb] if verb else []), "--help"])
    lines = str(caught.value).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_each_verb_has_options_and_code() -> None:
    assert set(VERBS) == set(options.ADD)


def test_each_option_that_a_help_names_exists() -> None:
    import re

    from salt_live.cli.help_texts import VERBS as TEXTS

    for verb, text in TEXTS.items():
        known = {name for action in parser_of(verb)._actions for name in action.option_strings}
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - known - {"--help"} == set(), verb


def test_lists_are_split_as_salt_does() -> None:
    assert split_target("a, b,c", "list") == ["a", "b", "c"]
    assert split_target("a b", "list") == ["a", "b"]
    assert split_target("a,b", "glob") == "a,b"


@pytest.mark.parametrize(
    ("line", "codes", "silent", "code"),
    [
        ("", {"a": 2}, [], None),
        ("--retcode-passthrough", {"a": 2, "b": 5}, [], 5),
        ("--retcode-passthrough", {"a": 0}, [], 0),
        ("--retcode-passthrough", {"a": 0}, ["b"], 1),
        ("--retcode-passthrough", {"a": 256}, [], 1),
        ("--fail-any", {"a": 0, "b": 3}, [], 3),
        ("--fail-all", {"a": 0, "b": 3}, [], 0),
        ("--fail-all", {"a": 3, "b": 4}, [], 3),
        ("--fail-any-none", {}, [], 255),
        ("--fail-all-none", {}, ["a"], 255),
        ("--fail-if-incomplete", {"a": 0}, ["b"], 1),
    ],
)
def test_options_choose_the_exit_code(line: str, codes: dict[str, int], silent: list[str], code: int | None) -> None:
    assert chosen_code(parse([*line.split(), "*", "test.ping"]), codes, silent) == code


def test_the_worst_exit_code_of_several_functions_counts() -> None:
    assert worst({"a": 1, "b": 3}) == 3
    assert worst(None) == 0

"""The output forms equal Salt's outputters, and nothing in a return can command the terminal."""

from __future__ import annotations

import copy
import io
import os
from argparse import Namespace
from typing import Any

import pytest
from salt_live.cli.output.forms import UnknownForm, render
from salt_live.cli.output.style import Style
from salt_live.cli.output.summary import StatesSummary
from salt_live.cli.parser import parse
from salt_live.cli.screen import DRAW_SECONDS, Screen
from salt_live.cli.text import one_line, visible

DATA: dict[str, Any] = {
    "true": {"web1": True},
    "none": {"web1": None},
    "text": {"web1": "one\ntwo\n\nfour  "},
    "empty text": {"web1": ""},
    "numbers": {"web1": 1, "web2": -2.5, "web3": 10**20},
    "list": {"web1": ["a", 1, None, ["b", ["c"]], {"d": "e"}, []]},
    "object": {"web1": {"b": {"a": 1, "c": {}}, "a": [], "é": "日本"}},
    "escape": {"web1": "\x1b[31mred\x1b[0m"},
    "long": {"web1": "word " * 60},
    "mixed text": {"web1": ["x\ny", {"k": "1\n2"}]},
    "yaml words": {"web1": ["yes", "no", "1", "null", "a: b", "- x", "", " x", "x "]},
}
STATES: dict[str, Any] = {
    "web1": {
        "file_|-motd_|-/etc/motd_|-managed": {
            "result": True,
            "changes": {"diff": "New file"},
            "comment": "File updated",
            "__run_num__": 0,
            "name": "/etc/motd",
            "start_time": "10:00:00.1",
            "duration": 12.5,
            "__id__": "motd",
            "__sls__": "web",
        },
        "pkg_|-nginx_|-nginx_|-installed": {
            "result": False,
            "changes": {},
            "comment": "no such package\nat all",
            "__run_num__": 1,
            "name": "nginx",
            "start_time": "10:00:01.1",
            "duration": 900.0,
            "__id__": "nginx",
            "__sls__": "web",
        },
        "cmd_|-check_|-true_|-run": {
            "result": None,
            "changes": {"would": {"run": [1, 2]}},
            "comment": "",
            "__run_num__": 2,
            "name": "true",
            "start_time": "10:00:02.1",
            "duration": 500,
            "__id__": "check",
            "__sls__": "web",
            "warnings": ["this is deprecated " * 8],
        },
        "test_|-ok_|-ok_|-nop": {
            "result": True,
            "changes": {},
            "comment": "Success!",
            "__run_num__": 3,
            "name": "ok",
            "start_time": "10:00:03.1",
            "duration": "7 ms",
            "__id__": "ok",
            "__sls__": "web",
        },
    },
    "web2": ["No matching sls found for 'x' in env 'base'"],
    "web3": "Minion did not answer",
    "web4": {},
}


def outputter(name: str, **options: Any) -> Any:
    loader = pytest.importorskip("salt.loader")
    config = pytest.importorskip("salt.config")
    return loader.outputters({**config.DEFAULT_MASTER_OPTS, "color": False, **options})[name]


@pytest.mark.with_salt
@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("form", ["nested", "json", "yaml", "txt", "raw", "pprint", "no_return"])
@pytest.mark.parametrize("name", list(DATA))
def test_forms_equal_those_of_salt(form: str, name: str, color: bool) -> None:
    theirs = outputter(form, color=color)(copy.deepcopy(DATA[name]))
    assert render(DATA[name], form, Style(color=color)) == theirs.rstrip()


@pytest.mark.with_salt
@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("indent", [-1, 1, 2, 8])
def test_indents_equal_those_of_salt(form: str, indent: int) -> None:
    for data in DATA.values():
        theirs = outputter(form, output_indent=indent)(copy.deepcopy(data))
        assert render(data, form, Style(indent=indent)) == theirs.rstrip()


@pytest.mark.with_salt
@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("mode", ["full", "terse", "mixed", "changes", "full_id", "terse_id", "mixed_id", "changes_id"])
@pytest.mark.parametrize("verbose", [True, False])
def test_states_equal_those_of_salt(mode: str, verbose: bool, color: bool) -> None:
    for minion, states in STATES.items():
        data = {minion: states}
        write = outputter("highstate", state_output=mode, state_verbose=verbose, color=color)
        theirs = write(copy.deepcopy(data)).rstrip()
        assert render(data, "highstate", Style(state_output=mode, state_verbose=verbose, color=color)) == theirs


@pytest.mark.with_salt
def test_keys_equal_those_of_salt() -> None:
    for data in (
        {"minions": ["b", "a"], "minions_pre": ["c"], "minions_denied": [], "minions_rejected": ["d\x1b"]},
        {"minions": {"a": "aa:bb"}, "local": {"master.pub": "cc:dd"}},
    ):
        for color in (False, True):
            assert render(data, "key", Style(color=color)) == outputter("key", color=color)(data).rstrip()


def test_an_unknown_form_is_refused_by_name() -> None:
    with pytest.raises(UnknownForm, match="there is no output form funny"):
        render({}, "funny", Style())


def test_data_that_does_not_fit_its_form_is_written_as_nested() -> None:
    assert render({"web1": {"no": "states", "x": {"result": True}}}, "key", Style()).startswith("web1:\n    ----------")


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def options(*words: str) -> Namespace:
    return parse([*words, "*", "test.ping"])


@pytest.mark.parametrize("form", ["json", "nested", "pprint", "raw", "txt", "yaml"])
def test_on_a_terminal_no_form_lets_a_return_command_it(form: str) -> None:
    out = Terminal()
    Screen(options(f"--out={form}", "--no-color"), {}, out, Terminal()).returned({"web\x1b1": "\x9b2J\x07\u202e\x7f"})
    assert not set("\x1b\x9b\x07\u202e\x7f") & set(out.getvalue())


def test_on_a_terminal_control_characters_are_shown_as_escapes() -> None:
    out = Terminal()
    screen = Screen(options(), {}, out, Terminal())
    screen.returned({"evil\x1b]0;x\x07": "\x1b[2Jgone\x9b\u202e"})
    assert "\x1b]" not in out.getvalue()
    assert "\x07" not in out.getvalue()
    assert "\\x1b]0;x\\x07" in out.getvalue()
    assert "\\x9b\\u202e" in out.getvalue()


def test_into_a_pipe_the_text_is_that_of_salt() -> None:
    out = io.StringIO()
    Screen(options("--out=txt"), {}, out, io.StringIO()).returned({"web1": "\x1b[31mred"})
    assert out.getvalue() == "web1: \x1b[31mred\n"


@pytest.mark.parametrize(
    ("words", "env", "colored"),
    [
        ([], {}, True),
        ([], {"NO_COLOR": ""}, False),
        (["--no-color"], {}, False),
        (["--force-color"], {"NO_COLOR": "1"}, True),
        ([], {"TERM": "dumb"}, False),
    ],
)
def test_colors_follow_the_options_and_the_environment(words: list[str], env: dict[str, str], colored: bool) -> None:
    out = Terminal()
    Screen(options(*words), env, out, Terminal()).returned({"web1": True})
    assert ("\x1b[" in out.getvalue()) == colored


def test_the_bar_is_removed_before_a_return_and_never_leaves_a_terminal_line() -> None:
    out, err = Terminal(), Terminal()
    screen = Screen(options("--no-color"), {"COLUMNS": "40"}, out, err)
    screen.draw(["x" * 300, "second"])
    drawn = err.getvalue().removeprefix("\r").split("\n")
    assert len(drawn[0]) < os.get_terminal_size(0).columns if os.isatty(0) else len(drawn[0]) < 80
    screen.returned({"web1": True})
    assert err.getvalue().endswith("\r\x1b[2K\x1b[1A\x1b[2K")


def test_thousands_of_returns_are_not_thousands_of_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("salt_live.cli.screen.time.monotonic", lambda: now[0])
    screen, wanted = Screen(options(), {}, Terminal(), Terminal()), 0
    for _ in range(1000):
        now[0] += DRAW_SECONDS / 100
        if screen.wants_progress:
            wanted += 1
            screen.draw(["bar"])
    assert 5 < wanted < 15
    assert not Screen(options(), {}, Terminal(), io.StringIO()).wants_progress


def test_without_a_terminal_nothing_is_drawn() -> None:
    err = io.StringIO()
    Screen(options(), {}, io.StringIO(), err).draw(["bar"])
    assert err.getvalue() == ""


def test_equal_failures_of_many_minions_are_one_group() -> None:
    summary = StatesSummary()
    for number in range(5000):
        summary.add(f"web{number}", STATES["web1"])
    summary.add("db1", STATES["web2"])
    text = summary.table(Style(), 80)
    assert len(text.splitlines()) < 20
    assert max(map(len, text.splitlines())) <= 80
    assert "failed on 5,000 minions: pkg.installed: nginx\n    no such package\\nat all\n" in text
    assert "failed on 1 minion: no states were run" in text
    assert "5,000 minions: web0, web1 and 4,998 more" in text


def test_control_characters_have_readable_escapes() -> None:
    assert visible("a\x00b\x7f\tc\n") == "a\\x00b\\x7f\tc\n"
    assert one_line("a\nb\x1b") == "a\\nb\\x1b"

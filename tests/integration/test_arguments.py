"""Functions on minions and on the master get exactly the positional and keyword arguments that were sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.client import Client, Refused
from tests.integration.web import Web

pytestmark = pytest.mark.slow

# What might be taken for something else on the way: YAML, numbers, the command line's forms, odd characters.
VALUES: list[Any] = [
    *(
        "",
        " ",
        "1",
        "1.0",
        "true",
        "None",
        "null",
        "[1]",
        "{'a': 1}",
        "a: b",
        "- x",
        "#x",
        "2026-01-01",
        "~",
        "*",
        "--x",
    ),
    *("zwei Wörter", "日本", "\U0001f600", "line\nline", "tab\t", 'quo"te', "back\\slash", "%s {} $HOME"),
    *(0, 1, -1, 2**53 + 1, 1.5, -0.25, 1e300, True, False, None),
    *([], {}, [1, [2, [3]]], {"a": {"b": [None, True]}}, {"1": "one"}, ["x=1"], {"x": "a=b"}),
]

CALLS: list[tuple[list[Any], dict[str, Any]]] = [
    ([], {}),
    (VALUES, {}),
    ([], {f"k{number}": value for number, value in enumerate(VALUES)}),
    ([1, "two"], {"three": 3, "four": "a=b", "arg": [1], "kwarg": {"x": 1}, "fun": "f", "tgt": "t"}),
]


@pytest.mark.parametrize(("args", "kwargs"), CALLS, ids=["none", "positional", "keyword", "both"])
def test_a_minion_function_gets_exactly_its_arguments(demo: Client, args: list[Any], kwargs: dict[str, Any]) -> None:
    """The minion's function gets the same values with the same types."""
    job = demo.ask("cmd", fun="steps.echo", tgt="minion-1", args=args, kwargs=kwargs, mode="sync")
    assert job["minions"]["minion-1"]["return"] == {"args": args, "kwargs": kwargs}
    assert [type(value) for value in job["minions"]["minion-1"]["return"]["args"]] == [type(value) for value in args]


@pytest.mark.parametrize(("args", "kwargs"), CALLS, ids=["none", "positional", "keyword", "both"])
def test_a_runner_gets_exactly_its_arguments(demo: Client, args: list[Any], kwargs: dict[str, Any]) -> None:
    """The runner gets the same values with the same types."""
    got = demo.ask("runner", fun="steps.echo", arg=args, kwarg=kwargs, mode="sync")
    assert got == {"args": args, "kwargs": kwargs}
    assert [type(value) for value in got["args"]] == [type(value) for value in args]


@pytest.mark.parametrize("client", ["runner", "wheel"])
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [(["1", [2]], {}), (["1"], {"second": [2]}), ([], {"first": "1", "second": [2]})],
    ids=["positional", "both", "keyword"],
)
def test_arguments_reach_the_right_parameters(
    demo: Client, client: str, args: list[Any], kwargs: dict[str, Any]
) -> None:
    """This holds for positional and keyword arguments; omitted ones have their default."""
    assert demo.ask(client, fun="steps.two", args=args, kwargs=kwargs, mode="sync") == {"first": "1", "second": [2]}
    assert demo.ask(client, fun="steps.two", args=["x"], mode="sync") == {"first": "x", "second": "b"}


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_wheel_gets_exactly_its_arguments(demo: Client, value: Any) -> None:
    """This holds for positional and keyword arguments."""
    assert demo.ask("wheel", fun="steps.two", args=[value], mode="sync") == {"first": value, "second": "b"}
    expected = {"first": 1, "second": value}
    assert demo.ask("wheel", fun="steps.two", args=[1], kwargs={"second": value}, mode="sync") == expected


def test_a_positional_argument_that_salt_would_take_for_a_keyword_is_refused(demo: Client) -> None:
    """Every minion parses `x=1` as a keyword argument, so it is refused; the error says to use `kwarg`."""
    with pytest.raises(Refused) as caught:
        demo.ask("cmd", fun="steps.echo", tgt="minion-1", args=["x=1"])
    assert caught.value.code == "bad_message"
    job = demo.ask("cmd", fun="cmd.run", tgt="minion-1", kwargs={"cmd": "A=1 env | grep ^A="}, mode="sync")
    assert job["minions"]["minion-1"]["return"] == "A=1"


LARGE = 340282366920938463463374607431768211455
"""An integer of 128 bits, whose digits Salt's own salt-api sends as text."""
LOW = f'"tgt":"minion-1","fun":"steps.echo","arg":[{LARGE},[{-LARGE}]],"kwarg":{{"k":{{"a":{2**64}}}}}'


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/", "application/json", f'{{"client":"local",{LOW}}}'),
        ("/", "text/plain", f'[{{"client":"local",{LOW}}}]'),
        ("/", "application/x-yaml", f'{{"client": "local", {LOW.replace(":", ": ")}}}'),
        ("", "salt.v1.json", f'{{"type":"cmd","id":1,"mode":"sync",{LOW}}}'),
    ],
    ids=["JSON", "plain text", "YAML", "native JSON"],
)
def test_integers_outside_64_bits_arrive_as_their_digits(
    demo: Client, connect: Callable[..., Client], engine_port: int, path: str, kind: str, body: str
) -> None:
    """None is rounded, in any format."""
    token = demo.ask("auth", username="demo", password="demo")["token"]
    expected: dict[str, Any] = {"args": [str(LARGE), [str(-LARGE)]], "kwargs": {"k": {"a": str(2**64)}}}
    if path:
        answer = Web(engine_port, token).request("POST", path, body.encode(), Content_Type=kind)
        assert answer.returned["minion-1"] == expected
        return
    with connect(subprotocols=[kind], headers={"X-Auth-Token": token}) as client:
        client.ws.send(body)
        job = client.answer(1)
        assert job["minions"]["minion-1"]["return"] == expected


@pytest.mark.parametrize("client", ["runner", "wheel"])
@pytest.mark.parametrize(
    ("args", "kwargs"), [([], {}), ([1, 2, 3], {}), ([1], {"third": 3}), ([1], {"first": 1})], ids=repr
)
def test_wrong_arguments_are_refused(demo: Client, client: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Missing, additional, unknown or repeated arguments are an error before anything runs."""
    with pytest.raises(Refused) as caught:
        demo.ask(client, fun="steps.two", args=args, kwargs=kwargs, mode="sync")
    assert caught.value.code == "unknown_function"


@pytest.mark.parametrize("client", ["runner", "wheel"])
def test_the_async_mode_answers_with_jid_and_tag(demo: Client, client: str) -> None:
    """Without `mode` the reply is the jid and the tag of the return."""
    number = demo.ask("subscribe", subscription="event", tag=f"salt/{'run' if client == 'runner' else 'wheel'}/")
    started = demo.ask(client, fun="steps.two", args=["x"])
    assert set(started) == {"jid", "tag"}
    frames = demo.frames(
        subscription=number["subscription"], until=lambda frame: frame.get("tag") == f"{started['tag']}/ret"
    )
    assert frames[-1]["data"]["return"] == {"first": "x", "second": "b"}
    job = demo.ask("get_job", jid=started["jid"])
    assert (job["kind"], job["fun"], job["state"]) == (client, "steps.two", "complete")

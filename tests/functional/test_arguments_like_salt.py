"""Arguments of salt-api's clients arrive as from Salt's own API, on each Salt line."""

from __future__ import annotations

import contextlib
import copy
import random
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import cherrypy
import pytest
import salt.cli.batch
import salt.client.mixins
import salt.minion
import salt.netapi
import salt.netapi.rest_cherrypy.app
import salt.runner
import salt.utils.args
import salt.wheel.key
from websocket_api.errors import ApiError
from websocket_api.protocols.http import content
from websocket_api.protocols.salt_api.low_fields import arguments as read_low
from websocket_api.protocols.salt_api.low_fields import batch_size
from websocket_api.protocols.salt_api.lowstate import CLIENTS, run
from websocket_api.salt_master import arguments
from websocket_api.salt_master.commands import Commands
from websocket_api.salt_master.functions import MasterFunctions
from websocket_api.salt_master.pool import Pool

pytestmark = pytest.mark.both_lines

TEXTS = [
    *("echo 'issue #12 done'", "# x", "#", "x#y", "a #b: c", "a: b #c", "- a #c", "1 #x", "null #x", "None #", "[#]"),
    *("echo key: v", "key: v", "a: ", "a:b", "http://x:80/", "12:30:00", "1:30", "1:1:1.5", "? a", "- a", "-", "--x"),
    *("0644", "0", "00", "08", "0o17", "0x1f", "0b11", "1_000", "1__0", "_1", "1_0.5", "-1", "+1", "-0", "1e3", "1.5"),
    *(".inf", "-.INF", ".nan", "0.", "1e400", "6.02E+23", "123456789012345678901234567890", "9223372036854775808"),
    *("None", "null", "Null", "~", "true", "TRUE", "yes", "No", "on", "off", "y", "n", "True ", " True"),
    *("2020-01-01", "2020-01-01 10:00:00", "2020-01-01T10:00:00Z", "20200101120000000000", "2020-13-45"),
    *("|", ">", "!", "&", "*", "%", "@", "`", "=", "<<", "?", ":", ",", "[", "]", "{", "}", "'", '"', "\\", "|-", ">-"),
    *(
        "'q'",
        '"q"',
        '"a=b"',
        "'#'",
        '"\\u00e9"',
        '"\\x41"',
        "'it''s'",
        "&a x",
        "*a",
        "!foo x",
        "! x",
        "!!str 1",
        "!!int 1",
    ),
    *(
        "!!float 1",
        "!!bool yes",
        "!!null x",
        "!!binary aGk=",
        "!!set {a, b}",
        "!!omap [a: 1]",
        "!!timestamp 2020-01-01",
    ),
    *(
        "",
        " ",
        "   ",
        "---",
        "...",
        "--- a",
        "a\tb",
        "a\nb",
        "a\r",
        "\u00a0",
        "\ufeffx",
        "\u2028",
        "é",
        "日本",
        "\U0001f600",
    ),
    *(
        "{a: 1}",
        " {a: 1}",
        "{a: 1} ",
        "{a}",
        "{1: 2}",
        "{yes: no}",
        "{a: 1, a: 2}",
        "{a: b: c}",
        "{{ jinja }}",
        "{% x %}",
    ),
    *(
        "[1, two]",
        " [1]",
        "[a, {b: c}]",
        "[[[]]]",
        "[a",
        "a]",
        "[a]]",
        "{a: [1,2], b: {c: ~}}",
        "['a,b', \"c\"]",
        "[1,]",
    ),
    *("{<<: {a: 1}, b: 2}", "[&a {x: 1}, {<<: *a, y: 2}]", "[&a x, *a]", "{a: 2020-01-01}", "{a: 0644}", "{a: '#'}"),
    *("a=b", "a=1", "a==b", "A=1 env", "a =b", "1a=b", "pillar={a: 1}", "a='x=y'", "a=[1, #]", "x=", "=x", "a.b-c=1"),
    *(
        "salt '*' test.ping",
        "rm -rf /tmp/x; echo $?",
        "a && b || c > d < e",
        "cat <<EOF && ls *",
        "%s %d",
        "C:\\x",
        "*.*",
    ),
]
WORDS = [
    "a",
    "1",
    "0",
    ":",
    " ",
    "#",
    "-",
    "{",
    "}",
    "[",
    "]",
    ",",
    "'",
    '"',
    "=",
    "_",
    ".",
    "!",
    "&",
    "*",
    "|",
    "~",
    "yes",
]


def made(number: int) -> list[str]:
    """Return texts of what means something to YAML."""
    chosen = random.Random(7)
    return ["".join(chosen.choice(WORDS) for _ in range(chosen.randint(1, 8))) for _ in range(number)]


def same(ours: Any, salts: Any) -> bool:
    """Tell whether two values are equal and of the same types; NaN is equal to itself."""
    return repr(ours) == repr(salts)


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_text_is_read_as_salts_command_line_reads_it(text: str) -> None:
    """Value by value, type by type."""
    assert same(arguments.read(text), salt.utils.args.yamlify_arg(text))


def test_thousands_of_texts_are_read_alike() -> None:
    """Of letters that YAML takes for its own."""
    for text in made(5000):
        assert same(arguments.read(text), salt.utils.args.yamlify_arg(text)), text


def by_salt(body: bytes) -> dict[str, Any]:
    """Return the low that rest_cherrypy makes of a form."""
    entity = SimpleNamespace(read=lambda: body)
    salt.netapi.rest_cherrypy.app.urlencoded_processor(entity)
    low: dict[str, Any] = cherrypy.serving.request.unserialized_data
    return low


def called(low: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return with what a minion calls a function of any arguments, from the low of Salt's own API."""
    arg = low.get("arg", [])
    sent = salt.utils.args.condition_input(arg if isinstance(arg, list) else [arg], low.get("kwarg"))
    return on_minion(sent)


def on_minion(sent: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return what a minion makes of the arguments of a publish."""

    def function(*args: Any, **kwargs: Any) -> None:
        """Take anything."""

    found: tuple[list[Any], dict[str, Any]] = salt.minion.load_args_and_kwargs(function, copy.deepcopy(sent))
    return found


@pytest.mark.parametrize("text", [text for text in TEXTS if text], ids=ascii)
async def test_an_argument_of_a_form_arrives_as_from_rest_cherrypy(text: str) -> None:
    """At the function of a minion, which reads what has the form ``name=value`` once more."""
    body = urlencode([("client", "local"), ("arg", text), ("arg", "last"), ("kwarg", "{k: 1}")]).encode()
    low = await content.read(body, content.FORM)
    arg, kwarg = read_low(low)
    assert same(on_minion(salt.utils.args.condition_input(arg, kwarg)), called(by_salt(body)))


@pytest.mark.parametrize("text", ["{a: 1}", "{1: x}", "{a: {b: [c]}}", "{a: 0644, b: 'x #y'}", "{}"])
async def test_the_keyword_arguments_of_a_form_do_too(text: str) -> None:
    """What is no object is refused, where Salt drops it without a word."""
    body = urlencode([("kwarg", text)]).encode()
    assert same(await content.read(body, content.FORM), by_salt(body))


@pytest.mark.parametrize("text", ["a: b", "a", "[a]", "1"])
async def test_keyword_arguments_that_salt_drops_are_refused(text: str) -> None:
    """A form that states them must not run without them."""
    low = await content.read(urlencode([("kwarg", text)]).encode(), content.FORM)
    with pytest.raises(ApiError, match="kwarg must be an object"):
        read_low(low)


async def test_keyword_arguments_that_are_there_twice_are_refused() -> None:
    """Salt drops both; an empty field is none."""
    with pytest.raises(ApiError, match="twice"):
        await content.read(b"kwarg={a:+1}&kwarg={b:+1}", content.FORM)
    assert await content.read(b"fun=x.y&kwarg=", content.FORM) == {"fun": "x.y"}


JSON_ARGUMENTS: list[dict[str, Any]] = [
    {"arg": "x"},
    {"arg": None},
    {"arg": ["1", 1, "a: b", "0644", "a=0644", "a={b: 1}", "a='x'"]},
    {"arg": [{"__kwarg__": True, "a": "1"}, "x"]},
    {"arg": ["x", {"__kwarg__": 1, "a": "1"}]},
    {"arg": [{"__kwarg__": "yes"}, {"__kwarg__": False, "b": 1}]},
    {"arg": ["a=1", {"__kwarg__": True, "a": 2}], "kwarg": {"a": 3}},
    {"arg": [["a=1"], {"a": "b=1"}], "kwarg": {"c": "d=1", "e": "[1]"}},
    {"kwarg": {"a": "1"}},
    {"arg": [20200101120000000000]},
]


@pytest.mark.parametrize("low", JSON_ARGUMENTS, ids=ascii)
def test_the_arguments_of_a_low_arrive_as_from_salts_client(low: dict[str, Any]) -> None:
    """Strings in JSON stay strings, but for those of the form ``name=value``."""
    arg, kwarg = read_low(low)
    assert same(on_minion(salt.utils.args.condition_input(arg, kwarg)), called(low))


class RunnerClient(salt.runner.RunnerClient):  # type: ignore[misc]
    """Salt's own, which sends nothing and returns what it would have sent."""

    functions: dict[str, Any] = {}  # noqa: RUF012 - the same for all

    def __init__(self, opts: Any) -> None:
        """Open nothing."""

    def __enter__(self) -> RunnerClient:
        return self

    def __exit__(self, *_: Any) -> None:
        """Close nothing."""

    def __del__(self) -> None:
        """Close nothing."""

    def master_call(self, **load: Any) -> dict[str, Any]:
        return load


def anything(*args: Any, **kwargs: Any) -> None:
    """Take anything."""


def orchestrate(mods: Any, saltenv: str = "base", test: Any = None, pillar: Any = None, timeout: Any = None) -> None:
    """Take what state.orchestrate takes, more or less."""


class Functions(MasterFunctions):
    """Two runners."""

    def _loader(self, client: str) -> Any:
        return RunnerClient.functions


LOWS: list[dict[str, Any]] = [
    *({"arg": [text]} for text in TEXTS),
    {"arg": ["orch.o", 'pillar={"target": "x"}']},
    {"arg": ["orch.o"], "kwarg": {"pillar": {"target": "x"}}, "test": True},
    {"arg": ["orch.o", {"__kwarg__": True, "pillar": {"a": "b=c"}}]},
    {"arg": [{"__kwarg__": 1, "mods": "x"}]},
    {"arg": [{"__kwarg__": 1}, {"a": "b"}, ["a=1"], None, 1.5]},
    {"arg": "orch.o", "nonsense": 1, "saltenv": "dev"},
    {"mods": "orch.o", "kwarg": {"mods": "other", "pillar": "{a: 1}"}},
    {"mods": "orch.o", "timeout": 5, "full_return": True},
    {"arg": ["'mods=x'", '"pillar={a: 1}"']},
    {"arg": []},
]


@pytest.mark.parametrize("function", [anything, orchestrate], ids=["anything", "orchestrate"])
@pytest.mark.parametrize("low", LOWS, ids=ascii)
async def test_a_runner_gets_what_salts_client_would_send(
    low: dict[str, Any], function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is what the master checks the user's rights by."""
    RunnerClient.functions = {"x.y": function}
    monkeypatch.setattr(salt.runner, "RunnerClient", RunnerClient)
    sent: list[tuple[list[Any], dict[str, Any]]] = []
    functions = Functions({}, Pool(1, "test"))

    async def ask(operation: str, **fields: Any) -> Any:
        sent.append(await functions.read_for_runner(fields["fun"], fields["arg"], fields["kwarg"]))
        return {"jid": "1", "tag": "x"}

    await run({"client": "runner_async", "fun": "x.y", **copy.deepcopy(low)}, ask, CLIENTS)
    chunk = {"fun": "x.y", **copy.deepcopy(low)}
    if "arg" in chunk and not isinstance(chunk["arg"], list):
        chunk["arg"] = [chunk["arg"]]  # as rest_cherrypy does for any client
    salts = salt.netapi.NetapiClient.runner_async(SimpleNamespace(opts={}), **chunk)["kwarg"]
    assert same(sent, [(salts["arg"], salts["kwarg"])])


@pytest.mark.parametrize(
    ("arg", "kwarg"), [([{"__kwarg__": True, 1: 2}], {}), ([], {"__kwarg__": True, "a": 1}), ([], {1: 2})], ids=ascii
)
async def test_what_salts_client_fails_on_is_refused(arg: list[Any], kwarg: dict[Any, Any]) -> None:
    """Names are text, and the mark is none."""
    with pytest.raises(ApiError) as refused:
        arguments.read_for_runner(anything, "x.y", arg, kwarg)
    assert refused.value.code == "bad_message"


class Channels:
    """A master that notes what it is asked."""

    def __init__(self) -> None:
        self.loads: list[dict[str, Any]] = []

    async def request(self, load: dict[str, Any], **_: Any) -> dict[str, Any]:
        self.loads.append(load)
        return {"tag": "x", "data": {"jid": "1", "return": None, "success": True}}


class Wheels(MasterFunctions):
    """The wheel key."""

    def _loader(self, client: str) -> Any:
        return {f"key.{name}": getattr(salt.wheel.key, name) for name in ("list_all", "list_", "finger")}


SURPLUS = {"list_all": {"match": "*"}, "list_": {"match": "acc"}, "finger": {"match": "*", "hash_type": "md5"}}


@pytest.mark.parametrize("fun", SURPLUS)
async def test_a_wheel_gets_match_where_it_takes_it_and_else_not(fun: str) -> None:
    """As WheelClient: SaltGUI sends ``match`` with ``key.list_all``. Natively it is refused: nobody would obey it."""
    channels, pool = Channels(), Pool(1, "test")
    commands = Commands({}, channels, pool, Wheels({}, pool))  # type: ignore[arg-type]
    await commands.wheel("t", f"key.{fun}", [], SURPLUS[fun], parse=True)
    named = {**SURPLUS[fun], "fun": f"key.{fun}", "token": "t", "print_event": False}
    kept = salt.client.mixins.CLIENT_INTERNAL_KEYWORDS
    salts = salt.utils.args.format_call(getattr(salt.wheel.key, fun), named, expected_extra_kws=kept)
    ours = salt.utils.args.format_call(
        getattr(salt.wheel.key, fun), channels.loads[0], expected_extra_kws={*kept, "cmd"}
    )
    assert ours == salts
    if fun == "list_all":
        with pytest.raises(ApiError):
            await commands.wheel("t", f"key.{fun}", [], SURPLUS[fun])


@pytest.mark.parametrize("mark", [True, 1, "x", None, False, {}])
async def test_an_object_with_salts_mark_is_refused_whatever_the_mark_says(mark: Any) -> None:
    """The master takes it for keyword arguments when it checks rights; a minion takes only a true one for them."""
    channels, pool = Channels(), Pool(1, "test")
    commands = Commands({}, channels, pool)  # type: ignore[arg-type]
    arg = ["evil", {"__kwarg__": mark, "cmd": "safe"}]
    for call in (
        lambda: commands.check_arguments(arg, {}),
        lambda: commands.check_arguments([], {"__kwarg__": mark}),
    ):
        with pytest.raises(ApiError) as refused:
            call()
        assert refused.value.code == "bad_message"
    with pytest.raises(ApiError, match="cannot pass"):
        await commands.publish("t", "ann", "cmd.run", arg, {}, "*", "glob")
    assert channels.loads == []


@pytest.mark.parametrize("mark", [1, "x", None, False])
async def test_salts_clients_send_it_as_it_is(mark: Any) -> None:
    """As from Salt's own API; keyword arguments proper come apart."""
    channels, pool = Channels(), Pool(1, "test")
    commands = Commands({}, channels, pool)  # type: ignore[arg-type]
    arg = ["x", {"__kwarg__": mark, "a": 1}]
    with pytest.raises(ApiError):  # this master's answer to a publish is none
        await commands.publish("t", "ann", "test.arg", arg, {}, "*", "glob", parse=True)
    assert channels.loads[0]["arg"] == salt.utils.args.condition_input(arg, {})


SIZES = ["1", 2, "3", "10%", "%10", "50.5%", "0.1%", "99.9%", "100%", "150%", "34%", "1e1%", " 7", 3.7, True, "5 %"]


@pytest.mark.parametrize("total", [1, 2, 3, 7, 10, 200])
@pytest.mark.parametrize("stated", SIZES, ids=repr)
def test_a_batch_has_the_size_that_salt_gives_it(stated: Any, total: int) -> None:
    """Of a number and of a share."""
    assert batch_size(stated, total) == salt.cli.batch.Batch.get_bnum(
        SimpleNamespace(opts={"batch": stated}, minions=["m"] * total, quiet=True)
    )


@pytest.mark.parametrize("stated", ["x", "x%", "5%0", "1.5", "", "nan%", "inf%", None, [], {}, "9" * 5000])
def test_what_salt_takes_for_no_size_is_refused(stated: Any) -> None:
    """Before anything runs."""
    with pytest.raises(ApiError):
        batch_size(stated, 10)
    asked = SimpleNamespace(opts={"batch": stated}, minions=["m"] * 10, quiet=True)
    with contextlib.suppress(TypeError, OverflowError):
        assert salt.cli.batch.Batch.get_bnum(asked) is None


@pytest.mark.parametrize("stated", [0, "0", "0%", -1, "-5%"])
def test_a_batch_of_nobody_has_one(stated: Any) -> None:
    """Salt 3008 does the same; 3007 waits forever."""
    assert batch_size(stated, 10) == 1
    state = pytest.importorskip("salt.utils.batch_state")
    assert state.get_batch_size(stated, 10) == 1


COLLIDING = ", ".join(f"{number * (2**61 - 1)}" for number in range(10_900))
FEW, MANY = (",".join(f"k{number}: 1" for number in range(most)) for most in (400, 4000))
DOUBLED = [f"&{b} [{','.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefg", "bcdefgh", strict=True)]
COSTLY = {
    "colliding keys": "{" + COLLIDING + "}",
    "colliding members": "[!!set {" + COLLIDING + "}]",
    "merged aliases": "[&a {" + FEW + "}, {<<: [" + ",".join(["*a"] * 1000) + "]}]",
    "merged into many": "[&a {" + MANY + "}, {<<: *a, " + MANY.replace("k", "j") + "}]",
    "aliases of aliases": "[&a [x], " + ", ".join(DOUBLED) + "]",
    "itself": "[&a [*a]]",
    "depth": "[" * 300 + "]" * 300,
}


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_targets_that_take_salt_long_are_refused(text: str) -> None:
    """In a form and of a runner, also behind the quotes that the first reading takes away."""
    for call in (
        lambda: arguments.read(text),
        lambda: arguments.read_for_runner(anything, "x.y", [text], {}),
        lambda: arguments.read_for_runner(anything, "x.y", [f"a={text}"], {}),
        lambda: arguments.read_for_runner(anything, "x.y", [f"'{text}'"], {}),
    ):
        with pytest.raises(ApiError) as refused:
            call()
        assert refused.value.code == "bad_message"


@pytest.mark.parametrize("text", ["1" + ":1" * 100_000, "0x" + "f" * 2000, "1" * 5000, "[" * 100_000, "- " * 100_000])
def test_what_would_take_long_to_read_stays_text(text: str) -> None:
    """Numbers that nobody can send, and what is nested too deeply to be YAML."""
    assert arguments.read(text) == text

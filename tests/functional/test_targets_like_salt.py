"""Targets mean to a client, to the master and to a minion what Salt's own matchers make of them, on each Salt line."""

from __future__ import annotations

import fnmatch
import itertools
import random
import re
from typing import Any, ClassVar

import pytest
import salt.client
import salt.config
import salt.key
import salt.loader
import salt.utils.minions
from websocket_api.errors import ApiError
from websocket_api.operations.targets import target
from websocket_api.salt_master import globs, targets
from websocket_api.salt_master.below import match_below
from websocket_api.salt_master.minions import MinionStore
from websocket_api.salt_master.pool import Pool

pytestmark = pytest.mark.both_lines

IDS = ("minion1", "minion2", "web1", "web2", "db", "web1,web2")
"""The last holds a comma, which Salt allows."""
GROUPS = {
    "pair": "web1,web2 or db",
    "webs": "E@web.",
    "listed": ["minion1", "or", "web1"],
    "nested": "N@pair and not db",
}
WORDS = (
    *("minion1", "minion*", "web?", "*", "minion1,minion2", "web1,web2", "web[1,2]", "m*,w*", "web1,*", "db"),
    *("E@web.", "E@(minion1|db)", "L@minion1,db", "L@web1", "N@pair", "N@nested", "N@listed"),
)


class NoCache:
    """Nothing is cached, and no driver is loaded."""

    driver = "none"
    modules: ClassVar[dict[str, Any]] = {}

    def list(self, bank: str) -> list[str]:
        return []

    def fetch(self, bank: str, key: str) -> dict[str, Any]:
        return {}


class Key:
    """Salt's own key matching over ids that no disk holds."""

    ACC = "minions"
    cache = NoCache()

    def list_keys(self) -> dict[str, list[str]]:
        return {self.ACC: list(IDS)}

    def glob_match(self, match: Any) -> dict[str, list[str]]:
        found: dict[str, list[str]] = salt.key.Key.glob_match(self, match)
        return found

    def list_match(self, match: list[str]) -> dict[str, list[str]]:
        return {self.ACC: [name for name in match if name in IDS]}

    def list_status(self, status: str) -> dict[str, list[str]]:
        return {self.ACC: list(IDS)}


if not hasattr(salt.key.Key, "glob_match"):
    del Key.glob_match  # Salt 3007 matches globs where it finds no such method


class NoResources:
    """No minion has resources of its own."""

    def resolve_bare_resource_id(self, name: str) -> None:
        return None

    def get_resources_for_minion(self, name: str) -> dict[str, list[str]]:
        return {}


class Minions(salt.utils.minions.CkMinions):  # type: ignore[misc]
    """The master's matching."""

    registry = NoResources()

    def __init__(self, opts: dict[str, Any]) -> None:
        self.opts, self.cache, self.key, self.acc = opts, NoCache(), Key(), "minions"

    def _pki_minions(self) -> set[str]:
        return set(IDS)


@pytest.fixture(scope="module")
def opts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Options of a master, with nodegroups."""
    made = dict(salt.config.master_config(None))
    made |= {"nodegroups": GROUPS, "minion_data_cache": True, "cachedir": str(tmp_path_factory.mktemp("cache"))}
    return made


@pytest.fixture(scope="module")
def matchers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What minions match with."""
    made = dict(salt.config.minion_config(None))
    made |= {"cachedir": str(tmp_path_factory.mktemp("minion")), "grains": {}, "id": "x"}
    loaded = salt.loader.matchers(made)
    return lambda tgt, kind, name: loaded[f"{kind}_match.match"](tgt, opts={**made, "id": name}, minion_id=name)


def told(matchers: Any, tgt: Any, kind: str) -> list[str]:
    """Return the ids of the minions that take a target for themselves."""
    return [name for name in IDS if matchers(tgt, kind, name)]


class Client:
    """Salt's own client, as far as it prepares a target."""

    def __init__(self, opts: dict[str, Any]) -> None:
        self.opts, self.key, self.salt_user = opts, "", "root"

    def _resolve_nodegroup(self, name: str) -> Any:
        return salt.utils.minions.nodegroup_comp(name, self.opts["nodegroups"])


def prepared(opts: dict[str, Any], tgt: Any, kind: str) -> tuple[Any, str]:
    """Return a target as Salt's own client sends it."""
    load = salt.client.LocalClient._prep_pub(Client(opts), tgt, "test.ping", [], kind, "", "", 5)
    return load["tgt"], load["tgt_type"]


ENDS = ([], ["and", "not", "db"], ["or", "minion2"], ["and", "(", "web1,web2", "or", "web?", ")"])
COMPOUNDS = [[*first, word, *end] for first, word, end in itertools.product(([], ["not"]), WORDS, ENDS)]


@pytest.mark.parametrize("words", COMPOUNDS, ids=" ".join)
async def test_a_compound_target_means_one_thing(
    words: list[str], opts: dict[str, Any], matchers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To `match`, to the master that is asked to publish it, to its minions; as a list and as a string."""
    monkeypatch.setattr(salt.utils.minions, "CkMinions", Minions)
    means = told(matchers, *prepared(opts, words, "compound"))
    for tgt in (words, " ".join(words)):
        read = target({"tgt": tgt, "tgt_type": "compound"})
        sent = targets.read(opts, *read, ":")
        assert told(matchers, *sent) == means
        assert sorted(Minions(opts).check_minions(*sent)["minions"]) == sorted(means)
        assert await MinionStore(opts, Pool(1, "test")).match(*read) == sorted(means)


@pytest.mark.parametrize("kind", ["glob", "list", "pcre", "nodegroup"])
@pytest.mark.parametrize("tgt", [*WORDS, "minion1, minion2", "minion1,minion2,db", *GROUPS])
async def test_any_other_target_means_one_thing_too(
    tgt: str, kind: str, opts: dict[str, Any], matchers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each kind that minions match by their ids."""
    monkeypatch.setattr(salt.utils.minions, "CkMinions", Minions)
    if kind == "nodegroup" and tgt not in GROUPS:
        with pytest.raises(ApiError, match="nodegroup"):
            targets.read(opts, tgt, kind, ":")
        return
    read = target({"tgt": tgt, "tgt_type": kind})
    try:
        sent = targets.read(opts, *read, ":")
    except ApiError as fault:
        assert (fault.code, kind) == ("bad_message", "pcre")  # noqa: PT017 - a glob is seldom an expression
        return
    # Salt's client hands a string of names on with its blanks; people who write them do not mean them.
    means = told(matchers, *prepared(opts, tgt.replace(" ", "") if kind == "list" else tgt, kind))
    if kind == "list":
        # A minion takes a string that is its id for its own; the master divides it at the comma.
        means = [name for name in means if "," not in name]
    assert told(matchers, *sent) == means
    assert sorted(Minions(opts).check_minions(*sent)["minions"]) == sorted(means)
    assert await MinionStore(opts, Pool(1, "test")).match(*read) == sorted(means)


@pytest.mark.parametrize("kind", sorted(targets.TYPES - {"list", "compound"}))
def test_a_list_of_another_type_is_refused(kind: str) -> None:
    """Salt runs such a target on nobody, or raises."""
    with pytest.raises(ApiError) as refused:
        target({"tgt": ["minion1", "minion2"], "tgt_type": kind})
    assert (refused.value.code, refused.value.details[0]["path"]) == ("bad_message", "/tgt")


def test_a_glob_with_commas_is_the_expression_of_the_same_meaning() -> None:
    """Thousands, of letters that mean something to one of both."""
    numbers = random.Random(1)
    for _ in range(20_000):
        glob = "".join(numbers.choice("ab,*?[]!-^\\.") for _ in range(numbers.randint(1, 9)))
        expression = globs.with_comma(glob)
        assert (expression is None) == ("," not in glob)
        if expression is not None:
            text = "".join(numbers.choice("ab,-!^]\\.") for _ in range(numbers.randint(0, 6)))
            assert bool(re.match(expression, text)) == fnmatch.fnmatchcase(text, glob), glob


def test_a_glob_of_many_stars_is_matched_soon() -> None:
    """Where each star could be anything up to the end, there are more ways than can be tried."""
    expression = globs.with_comma("*a" * 200 + ",b")
    assert expression is not None
    assert not re.match(expression, "a" * 255)


BELOW = (
    *(("glob", word) for word in ("minion1", "minion*", "web?", "*", "nobody")),
    *(("pcre", word) for word in ("minion1", "web.", "(minion1|db)")),
    *(("list", word) for word in ("minion1,db", "web1,nobody")),
    *(("compound", word) for word in ("minion1", "*", "E@web.", "L@minion1,db", "not web1", "not L@db")),
    *(("compound", word) for word in ("( web* or db ) and not E@web2", "L@db,web1 or minion?", "web* minion1")),
)
ELSEWHERE = (
    "G@os:x",
    "not G@os:x",
    "I@a:b",
    "S@10.0.0.0/8",
    "web* or G@os:x",
    "P@os:x",
    "J@a:b",
    "R@%x",
    "N@pair",
    "T@x",
    "M@x",
)


@pytest.mark.parametrize(("kind", "word"), BELOW)
def test_a_minion_below_is_matched_as_by_its_own_master(kind: str, word: str, opts: dict[str, Any]) -> None:
    """A lower master checks an auth list of the upper one against its own minions."""
    assert match_below(opts, word, kind, ":", IDS) == set(Minions(opts).check_minions(word, kind)["minions"])


@pytest.mark.parametrize("word", ELSEWHERE)
def test_a_target_that_depends_on_the_lower_master_matches_no_minion_below(word: str, opts: dict[str, Any]) -> None:
    """Nobody may see or reach a minion because its grains or nodegroups are unknown here."""
    for cached in (True, False):
        assert match_below({**opts, "minion_data_cache": cached}, word, "compound", ":", IDS) == set()
    assert match_below(opts, word.rpartition("@")[2], "grain", ":", IDS) == set()


async def test_minions_below_are_added_to_those_of_this_master(opts: dict[str, Any], monkeypatch: Any) -> None:
    """In one answer."""
    monkeypatch.setattr(salt.utils.minions, "CkMinions", Minions)
    pool = Pool(1, "salt")
    try:
        store = MinionStore(opts, pool)
        assert await store.match("m*", "glob", below=["m1", "x"]) == ["m1", "minion1", "minion2"]
        assert await store.match(["m1", "db"], "list", below=["m1", "x"]) == ["db", "m1"]
    finally:
        pool.close()

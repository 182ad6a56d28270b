"""Data of minions is shown, never run, and limited in length."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.benchmarks import marks, sender
from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import clipboard, job, log_in, row, start, view
from tests.integration.staging import Stage
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

SCRIPT = "<img src=x onerror=\"window.ran=1\"><script>window.ran=1</script><svg onload='ran=1'>&lt;b&gt;{{7*7}}"
MEGABYTES = 3_000_000
ODD_TAG = "odd/<b onclick=ran()>/\u202ertl/\U0001f9c2/%00/\"';--"
ODD_ID = "odd <i>&amp;'\"$(id)"
STALL_SECONDS = 10.0  # for which a page may not respond: users notice one, the others are for a loaded machine


@pytest.fixture
def console(page: Any) -> Iterator[Any]:
    """Open the console; check afterwards that no script of a minion ran."""
    yield log_in(page)
    assert page.evaluate("typeof window.ran") == "undefined"


def show(console: Any, stage: Stage, fun: str, *arg: Any, minion: str = FIRST) -> Any:
    """Run a function on a minion, and return the element with its return."""
    start(console, stage, fun, minion, *arg)
    expect(job(console)).to_contain_text("1 of 1 returned")
    return console.get_by_label(f"return of {minion}", exact=True)


def test_html_and_scripts_are_text(console: Any, stage: Stage) -> None:
    """They are shown in returns, arguments and the table of jobs."""
    expect(show(console, stage, "test.echo", SCRIPT)).to_have_text(SCRIPT)
    view(console, "Jobs")
    expect(row(console, "onerror")).to_be_visible()


def test_keys_of_objects_are_text_too(console: Any, stage: Stage) -> None:
    """Keys with a meaning in JavaScript are shown like others."""
    value = {SCRIPT: 1, "__proto__": {"ran": 1}, "constructor": "c", "toString": None, "": []}
    shown = show(console, stage, "test.arg", value)
    expect(shown).to_contain_text("__proto__:")
    console.get_by_role("button", name="JSON", exact=True).click()
    expect(shown).to_contain_text('"__proto__": {')


def test_the_beginning_of_megabytes_is_shown_and_the_page_responds(console: Any, stage: Stage) -> None:
    """More is shown on demand; the page never freezes."""
    console.evaluate(LONGEST_STALL)
    shown = show(console, stage, "cmd.run", f"head -c {MEGABYTES} /dev/zero | tr '\\0' x", minion=SECOND)
    expect(console.get_by_text("Only the beginning is shown")).to_be_visible()
    assert len(shown.inner_text()) < 100_000
    console.get_by_role("button", name="Show more").click()
    expect(console.get_by_text("Only the beginning is shown")).to_be_visible()
    assert 100_000 < len(shown.inner_text()) < MEGABYTES
    assert console.evaluate("window.longest") < 1000 * STALL_SECONDS


def test_bytes_are_shown(console: Any, stage: Stage, tmp_path: Path) -> None:
    """They are shown as the server encodes them: in base64."""
    file = tmp_path / "binary"
    file.write_bytes(b"text \xff\x00\xfe")
    expect(show(console, stage, "file.read", str(file), True)).to_contain_text("base64: dGV4dCD/AP4=")


def test_deep_nesting_is_cut(console: Any, stage: Stage) -> None:
    """Deeper values are replaced by a remark, and the page responds."""
    nested: Any = "bottom"
    for _ in range(90):
        nested = [nested]
    shown = show(console, stage, "test.arg", nested)
    expect(shown).to_contain_text("kwargs:")
    for form in ("YAML", "JSON", "Raw"):
        console.get_by_role("button", name=form, exact=True).click()
        expect(shown).to_contain_text("nested deeper")


def test_large_whole_numbers_are_shown_as_they_are(console: Any, stage: Stage) -> None:
    """They are not rounded, also where a state has one as its number."""
    expect(show(console, stage, "test.arg", 2**63 + 1)).to_contain_text(str(2**63 + 1))
    value = {"test_|-a_|-a_|-nop": {"result": True, "__run_num__": 2**70, "comment": [2**70], "__id__": {"<b>": 1}}}
    start(console, stage, "test.arg", FIRST, value)
    expect(job(console)).to_contain_text("1 of 1 returned")


def test_a_minion_cannot_announce_a_job(console: Any, stage: Stage) -> None:
    """A minion's event with such a tag is only an event; the table shows jobs that the master announced."""
    view(console, "Jobs")
    forged = {"fun": "forged.fun", "tgt": "*", "user": "root", "minions": [FIRST]}
    with stage.client() as client:
        client.ask("cmd", fun="event.fire_master", tgt=FIRST, arg=[forged, f"salt/job/{'9' * 20}/new"], mode="sync")
        client.ask("cmd", fun="test.arg", tgt=FIRST, arg=["after the forged one"], mode="sync")
    expect(row(console, "after the forged one")).to_be_visible()
    expect(console.locator(f"a[href='#/jobs/{'9' * 20}']")).to_have_count(0)
    view(console, "Events")
    expect(row(console, "9" * 20)).to_be_visible()


def test_odd_tags_are_shown_and_opened(console: Any, stage: Stage) -> None:
    """They are shown as they are, with hidden characters escaped."""
    view(console, "Events")
    with stage.client() as client:
        client.ask("event", tag=ODD_TAG, body={SCRIPT: [SCRIPT, None, -0.5, 10**15]})
    row(console, "odd/<b onclick").get_by_role("button").click()
    side = console.get_by_role("complementary", name="Event")
    expect(side.get_by_role("heading")).to_have_text(ODD_TAG.replace("\u202e", "\\u202e"))
    expect(side).to_contain_text("onerror")


def test_odd_ids_are_shown_and_their_keys_accepted_exactly(console: Any, stage: Stage) -> None:
    """A key with a name like a pattern is accepted, and no other key that the pattern matches."""
    pki = Path(stage.master.config["pki_dir"])
    names = [ODD_ID, "odd*", "oddly"]
    for name in names:
        shutil.copy(pki / "minions" / FIRST, pki / "minions_pre" / name)
    with stage.client() as client:
        client.ask("wheel", method="key.reject_dict", kwargs={"match": {"minions_pre": ["oddly"]}}, mode="sync")
    try:
        waiting = console.get_by_role("region", name="Pending keys")
        expect(waiting).to_contain_text("2 keys wait")
        with stage.client() as client:
            found = client.ask("wheel", method="key.finger", kwargs={"match": "odd*"}, mode="sync")
        waiting.get_by_role("button", name="fingerprint of the key of odd*", exact=True).click()
        expect(waiting.get_by_text(found["minions_pre"]["odd*"], exact=True)).to_have_count(1)
        waiting.get_by_role("button", name="accept the key of odd*", exact=True).click()
        expect(waiting).to_contain_text("2 keys wait")
        waiting.get_by_role("button", name="accept the key of odd*: confirm", exact=True).click()
        expect(waiting).to_contain_text("1 key waits")
        expect(waiting).to_contain_text(ODD_ID)
        assert (pki / "minions" / "odd*").exists()
        assert not (pki / "minions" / ODD_ID).exists()
        waiting.get_by_role("button", name=f"reject the key of {ODD_ID}").click()
        expect(waiting).to_have_count(0)
        row(console, ODD_ID).get_by_role("link").click()
        expect(console.get_by_role("heading", name=ODD_ID, level=1)).to_be_visible()
        expect(console.get_by_role("main")).to_contain_text("rejected")
    finally:
        for folder in ("minions", "minions_pre", "minions_rejected"):
            for name in names:
                (pki / folder / name).unlink(missing_ok=True)


def test_a_thousand_events_a_second_do_not_freeze_the_page(console: Any, stage: Stage) -> None:
    """It draws and responds to clicks while they arrive."""
    view(console, "Events")
    console.evaluate(LONGEST_STALL)
    pull = Path(stage.master.config["sock_dir"]) / "master_event_pull.ipc"
    assert sender.send(str(pull), rate=1000, count=4000)["sent"] == 4000
    console.get_by_role("button", name="Pause", exact=True).click()
    expect(console.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    expect(row(console, marks.TAG)).to_be_visible()
    assert console.get_by_role("row").count() < 100, "only rows in view exist"
    assert console.evaluate("window.longest") < 1000 * STALL_SECONDS


HIDDEN = "a\u202eb\u200bc\x1b[31md\u2066\U000e0041"
SHOWN = "a\\u202eb\\u200bc\\u001b[31md\\u2066\\udb40\\udc41"
SHOWN_IN_YAML = "a\\u202eb\\u200bc\\u001b[31md\\u2066\\U000e0041"
ANYWHERE = r"""() => {
    const hidden = /(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
    const walker = document.createTreeWalker(document, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    const found = hidden.test(document.title) ? [document.title] : [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const texts = node.nodeType === 3 ? [node.data] : [...node.attributes].map((one) => one.value);
        found.push(...texts.filter((text) => hidden.test(text)));
    }
    return found;
}"""
"""Return every text and attribute of the page that contains a hidden character."""


def test_hidden_characters_are_escaped_wherever_text_of_a_minion_is_shown(
    pages: Callable[..., Any], stage: Stage
) -> None:
    """In returns, arguments, states, keys, tags, tooltips, names for screen readers, errors and the clipboard."""
    page = log_in(pages(permissions=["clipboard-read", "clipboard-write"]))
    state = {f"test_|-{HIDDEN}_|-{HIDDEN}_|-nop": {"result": False, "comment": HIDDEN, "changes": {HIDDEN: HIDDEN}}}
    for value in (HIDDEN, {HIDDEN: [HIDDEN]}, state):
        start(page, stage, "test.arg", FIRST, value, metadata={HIDDEN: HIDDEN})
        expect(job(page)).to_contain_text("1 of 1 returned")
        expect(job(page)).to_contain_text(SHOWN)
        assert page.evaluate(ANYWHERE) == []
    start(page, stage, "test.echo", FIRST, HIDDEN)
    expect(page.get_by_label(f"return of {FIRST}", exact=True)).to_have_text(SHOWN)
    page.get_by_role("button", name=f"Copy return of {FIRST}").click()
    wait_until(lambda: clipboard(page) == SHOWN, "the return in the clipboard")
    view(page, "Jobs")
    expect(row(page, SHOWN)).to_be_visible()
    assert page.evaluate(ANYWHERE) == []
    pki = Path(stage.master.config["pki_dir"])
    named = "hidden\u202e\u200bname"
    view(page, "Events")
    with stage.client() as client:
        client.ask("event", tag="hidden/\u202e\u200b/tag", body={HIDDEN: HIDDEN})
    row(page, "hidden/").get_by_role("button").click()
    expect(page.get_by_role("complementary", name="Event")).to_contain_text(SHOWN_IN_YAML)
    assert page.evaluate(ANYWHERE) == []
    shutil.copy(pki / "minions" / FIRST, pki / "minions_pre" / named)
    try:
        view(page, "Fleet")
        with stage.client() as client:
            client.ask("wheel", method="key.reject_dict", kwargs={"match": {"minions_pre": ["nobody"]}}, mode="sync")
        expect(page.get_by_role("main")).to_contain_text("hidden\\u202e\\u200bname", timeout=90_000)
        assert page.evaluate(ANYWHERE) == []
    finally:
        (pki / "minions_pre" / named).unlink(missing_ok=True)


LONGEST_STALL = """() => {
    window.longest = 0;
    let last = performance.now();
    const beat = setInterval(() => {
        const now = performance.now();
        window.longest = Math.max(window.longest, now - last - 50);
        last = now;
    }, 50);
}"""

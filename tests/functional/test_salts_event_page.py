"""Every Python program of Salt's page about its events runs with the client: only the import line is another one."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("salt")
pytest.importorskip("websockets")

from tests.functional.running import CHECKOUT, Engine
from tests.support.buses import Publisher, Pull

PAGE = (Path(__file__).parent / "pages" / "salt_event_system.rst").read_text(encoding="utf-8")
THEIRS, OURS = "import salt.utils.event", "from salt_live import salt"
SECONDS = 60


def programs() -> list[str]:
    """Return the page's programs, with our import line."""
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE)
    found = [textwrap.dedent(block).strip() for block in blocks]
    return [block.replace(THEIRS, OURS) for block in found if THEIRS in block]


LISTENING = [program for program in programs() if "get_event" in program or "iter_events" in program]
FIRING = [program for program in programs() if "fire_event" in program]


@pytest.fixture(scope="module")
def engine(run_engine: Callable[..., Engine]) -> Engine:
    """The engine of these tests."""
    return run_engine({})


@pytest.fixture(scope="module")
def bus(engine: Engine) -> Iterator[Publisher]:
    """What the engine hears."""
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        bus.send(("first", {}))
        yield bus


@pytest.fixture(scope="module")
def fired(engine: Engine) -> Iterator[Pull]:
    """What the engine fires."""
    with contextlib.closing(Pull(engine.sock_dir)) as pull:
        yield pull


@pytest.fixture
def env(engine: Engine, bus: Publisher) -> dict[str, str]:
    """Where the programs find the address and the login."""
    return os.environ | {
        "PYTHONPATH": str(CHECKOUT / "clients" / "python" / "src"),
        "PYTHONUNBUFFERED": "1",
        "SALT_LIVE_URL": engine.url,
        "SALT_LIVE_USERNAME": "demo",
        "SALT_LIVE_PASSWORD": "demo",
    }


def test_the_page_has_these_programs() -> None:
    """Three listen, two fire; nothing else imports Salt."""
    assert (len(LISTENING), len(FIRING), len(programs())) == (3, 2, 5)
    assert PAGE.count(THEIRS) == 5


@pytest.mark.parametrize("program", LISTENING, ids=["get_event", "get_event-auth", "iter_events-auth"])
def test_a_program_that_listens_gets_the_event(env: dict[str, str], bus: Publisher, program: str) -> None:
    """A line after the constructor says that it listens: the events come after that. The last line shows the data."""
    made, _, rest = program.partition("event = salt.utils.event.MasterEvent('/var/run/salt/master')\n")
    assert rest
    shown = "" if "print" in rest else "print(data)\n"
    text = f"{made}event = salt.utils.event.MasterEvent('/var/run/salt/master')\nprint('listens')\n{rest}\n{shown}"
    with subprocess.Popen([sys.executable, "-c", text], env=env, stdout=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None
        assert ran.stdout.readline() == "listens\n"
        if "auth" in rest:
            bus.send(("salt/job/1/new", {"act": "other"}))
        bus.send(("auth", {"act": "accept"}))
        assert ran.stdout.readline() == "{'act': 'accept'}\n"
        if "iter_events" in rest:
            bus.send(("auth", {"act": "pend"}))
            assert ran.stdout.readline() == "{'act': 'pend'}\n"
            ran.kill()
        else:
            assert ran.wait(SECONDS) == 0


def test_the_program_that_fires_a_dict_fires_it(env: dict[str, str], fired: Pull) -> None:
    (program,) = (text for text in FIRING if "payload" in text)
    subprocess.run([sys.executable, "-c", program], env=env, timeout=SECONDS, check=True)
    tag, data = fired.next()
    assert tag == "tag"
    assert {name: data[name] for name in ("sample-msg", "example")} == {
        "sample-msg": "this is a test",
        "example": "this is the same test",
    }


def test_the_program_that_fires_a_string_ends_as_with_todays_salt(env: dict[str, str], fired: Pull) -> None:
    """The page says that it is for versions before 0.17. Salt has refused it since then, in these words."""
    salt_event = pytest.importorskip("salt.utils.event")
    (program,) = (text for text in FIRING if "payload" not in text)
    ran = subprocess.run(
        [sys.executable, "-c", program], env=env, timeout=SECONDS, check=False, capture_output=True, text=True
    )
    assert ran.returncode == 1
    with pytest.raises(ValueError, match="Dict object expected") as caught:
        salt_event.SaltEvent("master", listen=False).fire_event("Message to be sent", "tag")
    assert ran.stderr.splitlines()[-1] == f"ValueError: {caught.value}"
    assert fired.quiet

"""An execution module as a user would write it: it reports how far it is."""

import os
import time


def wait(path):
    """Wait until a file exists, or the file ``all`` in the same folder."""
    while not (os.path.exists(path) or os.path.exists(os.path.join(os.path.dirname(path), "all"))):
        time.sleep(0.05)
    return True


def walk(*percents, pause=0.6, gate=None):
    """Report each of ``percents`` with ``pause`` seconds between, and return what each report returned.

    With a folder as ``gate``, wait after each report that was sent until the folder has a file of its percent.
    """
    # So that loading it, on the first call in this process, is not between two reports.
    __salt__["event.fire_master"]  # noqa: F821 - Salt's loader gives it
    answers = []
    for number, percent in enumerate(percents):
        if number:
            time.sleep(pause)
        sent = __salt__["websocket_api.progress"](percent, f"at {percent}")  # noqa: F821 - Salt's loader gives it
        answers.append(sent)
        if gate and sent:
            wait(os.path.join(gate, str(percent)))
    return answers


def echo(*args, **kwargs):
    """Return the arguments as they came."""
    return {"args": list(args), "kwargs": {key: value for key, value in kwargs.items() if not key.startswith("__")}}


def defaults(first, second=2, *rest, third=(1, object), **others):
    """Do nothing; there to be asked for its signature."""


def late(**seconds):
    """Return this minion's id, after so many seconds as are given for it."""
    minion = __opts__["id"]  # noqa: F821 - Salt's loader gives it
    time.sleep(seconds[minion])
    return minion

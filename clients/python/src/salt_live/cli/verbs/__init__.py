"""The verbs of ``salt-live``: one module each, with a coroutine function ``run`` that returns the exit code."""

"""`make demo`: a throwaway Salt master with the engine, and minions, under .demo/ until Ctrl-C."""

from __future__ import annotations

import os
import signal

if __name__ == "__main__":
    # Nothing is started yet: while the rest loads, Ctrl-C ends this process at once, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    from children import run_guarded
    from demo_run import main

    os._exit(run_guarded(main))  # at Python's own exit another signal would have its usual effect again

"""The Salt master as the rest of the engine sees it: the only code that imports Salt.

Calls that block run in threads (pool.py). May import ``settings``, ``errors`` and ``fair_share``.
"""

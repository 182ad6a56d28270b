"""The engine's state: events, jobs, minions and batches, which users may see them, and which clients follow them.

No I/O: the clock, timers, the bus, stores and ``send`` are arguments. May import ``salt_master`` for nothing but types.
"""

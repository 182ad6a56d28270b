"""What is going on: events, jobs, minions, batches, who may see them, and who follows them.

No I/O: the clock, timers, the bus, stores and ``send`` are arguments. May import ``salt_master`` for nothing but types.
"""

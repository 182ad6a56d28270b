"""One stream of several masters: positions, what is stored in the common log, and what is read from it.

Beside events these are notes: minions, and how jobs ended that some minions never returned.

May import events and timing. The log itself is in salt_master/event_log_redis.py.
"""

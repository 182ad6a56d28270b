"""One stream of several masters: positions, what is stored in the common log, and what is read from it.

May import events and timing. The log itself is in salt_master/event_log_redis.py.
"""

"""What is going on: history, subscriptions, visibility, jobs, minions.

No I/O: time, bus and send are arguments.
"""

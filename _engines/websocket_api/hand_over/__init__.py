"""Passes the state of a serving process to the next one, at a reload (docs/staying-up.md).

The last process sends its history and the grains of minions while it still serves. When the next one has them, the last
one stops: it sends what is new since, and its open connection to the event bus. What the publisher writes in between
waits in that connection. So there is one reader at any time, and no event is lost or numbered twice.

The sockets block: a thread sends and receives.
"""

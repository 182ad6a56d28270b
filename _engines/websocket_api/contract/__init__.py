"""The schemas of everything that clients send and receive: validation, and the documents served to clients.

May import ``core.events.encoding``, ``errors``.
"""

"""What clients can send and get: validation by the JSON Schema files, and the documents made from them.

May import ``core.events.encoding``, ``errors``.
"""

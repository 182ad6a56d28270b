"""What clients can ask for, whatever the protocol: one function and one schema file per operation.

May import ``contract`` and ``core``.
"""

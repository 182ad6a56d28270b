"""The operations that clients can request in any protocol: one function and one schema file each.

May import ``contract`` and ``core``.
"""

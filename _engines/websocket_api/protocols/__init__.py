"""The protocols: one package each, and what all of them share.

May import ``operations``, ``contract`` and ``core``. The words of a protocol stay in its package.
"""

"""The Salt master as the rest of the engine sees it: the only code of the engine that imports Salt.

Every class takes the master's ``opts`` and hands back plain data, so that ``live/``, ``operations/`` and their tests
need no Salt. Errors that a client may see are :class:`~..errors.ApiError`.
"""

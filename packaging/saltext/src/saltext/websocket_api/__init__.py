"""The engine websocket_api and its modules as a Salt extension.

Salt's loader finds the folders ``engines``, ``modules`` and ``runners`` in this package by its entry point
``salt.loader`` (`Packaging external modules
<https://docs.saltproject.io/en/latest/topics/tutorials/packaging_modules.html>`_).
"""

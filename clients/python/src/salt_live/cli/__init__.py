"""The command ``salt-live``: what `salt`, `salt-run`, `salt-key` and pepper do, over the live API.

``main`` starts a verb and turns errors into one line and an exit code. ``verbs/`` has one module per verb, ``output/``
the output forms, ``config`` and ``token_file`` what is kept between two runs. Nothing here imports Salt, except
``output.forms`` for forms that only Salt has. Nothing imports it but the command.
"""

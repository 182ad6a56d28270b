"""The requests whose answers are recorded, in the order in which they are sent.

``REQUESTS`` is the one list that ``make goldens`` sends to Salt's own servers, that the golden files hold answers to,
and that this project's engine is compared by. To add a request, add a line to commands.py or paths.py and record again.
"""

from __future__ import annotations

from tests.goldens.commands import COMMANDS
from tests.goldens.paths import PATHS
from tests.goldens.request import Request

REQUESTS: list[Request] = [*COMMANDS, *PATHS]
BY_NAME: dict[str, Request] = {request.name: request for request in REQUESTS}

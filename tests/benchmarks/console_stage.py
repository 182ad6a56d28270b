"""A master with a large fleet, none of which runs, for the benchmark of the console."""

from __future__ import annotations

import json
import shutil

from tests.benchmarks.stage import AWAY, Stage
from tests.client import Client


class LargeStage(Stage):
    """A master with accepted keys and cached grains of many minions, none of which runs.

    Each minion has all grains of this machine, so that its size is realistic.
    """

    known = 5000

    def _accept_the_one_that_is_away(self) -> None:
        super()._accept_the_one_that_is_away()
        import salt.cache
        import salt.config
        import salt.loader

        keys = self.root / "etc" / "salt" / "pki" / "master" / "minions"
        options = salt.config.minion_config(None)
        options |= {"enable_fqdns_grains": False, "enable_gpu_grains": False, "cachedir": str(self.root / "cache-here")}
        grains = json.loads(json.dumps(salt.loader.grains(options), default=str))
        self.grain_bytes = len(json.dumps(grains))
        cache = salt.cache.factory(self.salt_opts())
        for number in range(self.known):
            name = f"web-{number:05}.example.com"
            shutil.copy(keys / AWAY, keys / name)
            cache.store("grains", name, {**grains, "id": name, "host": name.partition(".")[0], "fqdn": name})


def grains_are_read(stage: LargeStage) -> bool:
    """Return whether the engine has all grains, which it reads in the background after its start."""
    with Client(stage.url) as client:
        client.ask("auth", token=stage.token())
        found = [minion for minion in client.ask("list_minions", grains=["id"]) if minion["id"] != AWAY]
        return len(found) == stage.known and all(minion["grains"] for minion in found)

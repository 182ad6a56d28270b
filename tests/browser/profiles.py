"""Profiles of the browser that tests share: to load the console into an empty one takes twice the processor time."""

from __future__ import annotations

import json
from typing import Any

PATIENCE = 30_000  # milliseconds that an element may take to appear on a loaded machine


class Profile:
    """A profile whose cache stays; all else is as in an empty one after :meth:`empty`."""

    def __init__(self, browser: Any, base_url: str, options: dict[str, Any]) -> None:
        self._base_url, self._options = base_url, options
        self._context = browser.new_context(base_url=base_url, **options)
        self._context.set_default_timeout(PATIENCE)
        self._first = self._context.new_page()
        self._protocol = self._context.new_cdp_session(self._first)

    def open(self) -> Any:
        """Open a page."""
        return self._context.new_page()

    def empty(self) -> None:
        """Close the pages, and delete what they have stored."""
        for page in self._context.pages:
            if page != self._first:
                page.close()
        self._context.clear_cookies()
        self._context.clear_permissions()
        self._context.grant_permissions(self._options.get("permissions", []))
        self._protocol.send("Storage.clearDataForOrigin", {"origin": self._base_url, "storageTypes": "all"})


class Profiles:
    """One profile for each server and set of options."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self._made: dict[str, Profile] = {}
        self._used: set[str] = set()

    def open(self, base_url: str, options: dict[str, Any]) -> Any:
        """Open a page in a profile that is empty but for its cache."""
        key = json.dumps([base_url, options], sort_keys=True)
        if key not in self._made:
            self._made[key] = Profile(self.browser, base_url, options)
        self._used.add(key)
        return self._made[key].open()

    def empty(self) -> None:
        """Empty the profiles that were used."""
        while self._used:
            self._made[self._used.pop()].empty()

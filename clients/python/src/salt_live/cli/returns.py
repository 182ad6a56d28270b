"""Write the returns of a job as they come, and find the exit code: Salt's, or one that pepper's options choose."""

from __future__ import annotations

from typing import Any

from salt_live.cli import exit_codes
from salt_live.cli.output.summary import StatesSummary
from salt_live.cli.screen import Screen

MISSING = (
    "Minion did not return. [No response]\nThe minions may not have all finished running and any remaining minions "
    "will return upon completion. To look up the return data for this job later, run the following command:\n\n"
    "{resume}"
)
OFFLINE = "Minion did not return. [Not connected]"


class Returns:
    """The returns of one job.

    :param resume: the command that prints them later
    :param options: ``static``, ``retcode_passthrough`` and pepper's ``fail_*``
    """

    def __init__(self, screen: Screen, options: Any, resume: str, *, fun: str = "") -> None:
        self._screen, self._options, self._resume, self._fun = screen, options, resume, fun
        self._static: dict[str, Any] = {}
        self._docs: dict[str, str] = {}
        self._hidden = False
        self.states = StatesSummary()
        self.codes: dict[str, int] = {}
        self.silent: list[str] = []

    def add(self, minion: str, part: dict[str, Any]) -> None:
        """Write one minion's return."""
        code = worst(part.get("retcode"))
        self.codes[minion] = code
        form, data = part.get("out"), part.get("return")
        if form == "highstate":
            self.states.add(minion, data)
        if self._fun == "sys.doc":
            self._docs.update({name: text for name, text in data.items() if text} if isinstance(data, dict) else {})
        elif getattr(self._options, "static", False):
            self._static[minion] = data
        else:
            self._screen.returned({minion: data}, form, retcode=code)

    def without(self, minions: list[str], offline: set[str]) -> None:
        """Write that minions did not return."""
        for minion in sorted(minions):
            self.silent.append(minion)
            text = OFFLINE if minion in offline else MISSING.format(resume=self._resume)
            if getattr(self._options, "static", False) or getattr(self._options, "hide_timeout", False):
                continue
            if self._fun != "sys.doc":
                self._screen.returned({minion: text}, "no_return", retcode=1)

    def finish(self) -> int:
        """Write what comes after all returns, and return the exit code."""
        options, screen = self._options, self._screen
        static = getattr(options, "static", False)
        if static and (self._static or self.silent):
            screen.returned(self._static, "highstate" if self._fun.startswith("state.") else None)
        if self._fun == "sys.doc":
            self._write_docs()
        if self.states.counts and screen.form in (None, "highstate"):
            screen.line(self.states.table(screen.style, screen.width))
        if getattr(options, "summary", False) and not screen.form:
            self._write_summary()
        if not self.codes and not self.silent:
            screen.note("ERROR: No return received")
            return exit_codes.NO_RETURN
        chosen = chosen_code(options, self.codes, self.silent)
        if chosen is not None:
            return chosen
        if static:
            return exit_codes.OK  # as `salt --static`
        if self.silent or any(self.codes.values()):
            screen.note("ERROR: Minions returned with non-zero exit code")
            return exit_codes.FAILED
        return exit_codes.OK

    def _write_docs(self) -> None:
        for name, text in sorted(self._docs.items()):
            if self._screen.form:
                self._screen.returned({name: text}, "nested")
            else:
                self._screen.line(f"{name}:\n{text}\n")

    def _write_summary(self) -> None:
        rule = "-" * 43
        failed = sum(code != 0 for code in self.codes.values())
        self._screen.line(
            f"\n\n{rule}\nSummary\n{rule}\n"
            f"# of minions targeted: {len(self.codes) + len(self.silent)}\n"
            f"# of minions returned: {len(self.codes)}\n"
            f"# of minions that did not return: {len(self.silent)}\n"
            f"# of minions with errors: {failed}\n{rule}"
        )


def worst(code: Any) -> int:
    """Return a minion's exit code; of several functions the highest."""
    if isinstance(code, dict):
        return max((worst(item) for item in code.values()), default=0)
    return int(code) if isinstance(code, int) else 0


def chosen_code(options: Any, codes: dict[str, int], silent: list[str]) -> int | None:
    """Return the exit code that an option chooses: pepper's, or ``--retcode-passthrough``; None without one."""
    bad = [code & 0xFF or 1 for code in codes.values() if code]
    if getattr(options, "fail_if_incomplete", False) and silent:
        return exit_codes.FAILED
    if not codes and (getattr(options, "fail_any_none", False) or getattr(options, "fail_all_none", False)):
        return 255  # pepper's -1
    if getattr(options, "fail_any", False) or getattr(options, "fail_any_none", False):
        return bad[0] if bad else exit_codes.OK
    if getattr(options, "fail_all", False) or getattr(options, "fail_all_none", False):
        return bad[0] if bad and len(bad) == len(codes) else exit_codes.OK
    if getattr(options, "retcode_passthrough", False):
        return max([*bad, *([exit_codes.FAILED] if silent else [])], default=exit_codes.OK)
    return None

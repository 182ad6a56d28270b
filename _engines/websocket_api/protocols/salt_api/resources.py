"""salt-api's paths for minions, jobs, keys and webhooks (docs/salt-api.md)."""

from __future__ import annotations

import base64
import io
import re
import tarfile
from typing import Any

from tornado.web import HTTPError

from ...errors import ApiError
from ..http import content
from .handlers import SaltHandler
from .job_formats import job_info, job_list, job_list_steps
from .low_fields import flag
from .lowstate import check_client

MINION_ID = re.compile(r"(?!\.)[\w.@+-]{1,255}")
"""The id of a new minion. It becomes part of a path and of a header, so this is stricter than Salt's own rule."""
KEY_BITS = 2048, 8192
"""Minimum and maximum size of a new key. Twice the bits keep a worker of the master busy ten times as long."""


class MinionsHandler(SaltHandler):
    """``/minions``: minions as the master knows them, and new jobs."""

    async def get(self, minion: str | None = None) -> None:
        """Answer with grains from the master's cache: no minion is asked."""
        only = {}
        if minion is not None:
            only["minions"] = await self.ask("match", tgt=minion, fun="grains.items")
        found = await self.ask("list_minions", **only) if minion is None or only["minions"] else []
        await self.reply({"return": [{one["id"]: one["grains"] for one in found if one["grains"] is not None}]})

    async def post(self, minion: str | None = None) -> None:
        """Start jobs. If the path has a minion id, that is the target, and a low with another one is refused."""
        on: dict[str, Any] = {} if minion is None else {"tgt": minion, "tgt_type": "glob"}
        started = await self.run_lows(client="local_async", **on)
        jobs = [{"href": f"/jobs/{job['jid']}"} for job in started if job.get("jid")]
        self.set_status(202)
        await self.reply({"return": started, "_links": {"jobs": jobs}})


class JobsHandler(SaltHandler):
    """``/jobs``."""

    async def get(self, jid: str | None = None) -> None:
        """Answer with jobs in the format of the runner ``jobs``."""
        if jid is None:
            jobs = await self.ask("list_jobs", limit=1000, whole_targets=True)
            is_json = self.kind == content.JSON
            await self.reply_in_steps(
                job_list_steps(jobs) if is_json else content.steps({"return": [job_list(jobs)]}, self.kind)
            )
            return
        info = job_info(await self.ask("get_job", jid=jid))
        returns = {minion: result["return"] for minion, result in info["Result"].items()}
        await self.reply({"info": [info], "return": [returns]})


class KeysHandler(SaltHandler):
    """``/keys``."""

    @property
    def public(self) -> bool:  # type: ignore[override]
        """Whether no session is needed: a request for a new key pair may have its own credentials."""
        return self.request.method == "POST"

    async def get(self, minion: str | None = None) -> None:
        """Answer with minions' keys."""
        check_client("wheel", self.settings_.clients)
        fun, kwarg = ("key.list_all", {}) if minion is None else ("key.finger", {"match": minion})
        await self.reply({"return": await self.ask("wheel", fun=fun, kwarg=kwarg, mode="sync")})

    def on_authenticated(self) -> None:
        """For a new key pair, also admit clients that accept only an archive."""
        if self.request.method != "POST" or "application/x-tar" not in self.request.headers.get("Accept", ""):
            super().on_authenticated()

    async def post(self, minion: str | None = None) -> None:
        """Create and accept a key pair, and answer with both keys. No other answer ever has a private key."""
        if minion is not None:
            raise HTTPError(405)
        lows = await self.lows()
        check_client("wheel", self.settings_.clients)
        low = lows[0] if lows and isinstance(lows[0], dict) else {}
        if not isinstance(low.get("mid"), str) or not MINION_ID.fullmatch(low["mid"]):
            # Salt creates a file with this name, and would accept `../x`.
            fault = {"path": "/mid", "message": "must be the id of a minion"}
            raise ApiError("bad_message", "mid must be the id of a minion", [fault])
        logins = self.logins(self.session is not None)
        try:
            ask = await logins.ask_for(low)
            kwarg = {"id_": low["mid"], "keysize": _key_bits(low.get("keysize")), "force": flag(low, "force")}
            pair = await ask("wheel", fun="key.gen_accept", kwarg=kwarg, mode="sync")
        finally:
            await logins.end()
        if not isinstance(pair, dict) or not pair.get("priv"):
            raise ApiError("conflict", "no key was made: this minion may have one; send force to replace it")
        self.set_header("Content-Type", "application/x-tar")
        self.set_header("Content-Disposition", f'attachment; filename="saltkeys-{low["mid"]}.tar"')
        self.set_header("Cache-Control", "no-store")
        self.finish(_tar({"minion.pub": pair["pub"], "minion.pem": pair["priv"]}))


class HookHandler(SaltHandler):
    """``/hook``: webhooks."""

    SECRET_HEADERS = frozenset(("X-Auth-Token", "Authorization", "Cookie"))
    """Credentials of this API, which are removed because other users can see the event."""

    @property
    def public(self) -> bool:  # type: ignore[override]
        """Whether the options allow webhooks without a login."""
        return bool(self.settings_.webhook_disable_auth)

    async def prepare(self) -> None:
        """Accept bodies of full size even without a login, if the options allow such webhooks."""
        await super().prepare()
        if self.public:
            self.max_body = self.settings_.limits.message_bytes

    def on_authenticated(self) -> None:
        """Count an unauthenticated webhook before its body is received, and refuse it if a foreign page sent it.

        Otherwise such a page could make its visitors' browsers fire events from inside the network.
        """
        super().on_authenticated()
        if self.request.method == "POST" and self.session is None and self.caller is not None:
            if self.access.from_foreign_page(self.request, by_cookie=False):
                raise ApiError(
                    "forbidden", "without a token webhooks are accepted from programs and from our own pages only"
                )
            self.clients.services.webhook_rate.acquire(self.address)
            self.caller.hook_counted = True

    async def post(self, hook: str = "") -> None:
        """Fire the event, also with the body as received: a reactor may check the signature of its bytes."""
        body = self.body
        headers = {name: value for name, value in self.request.headers.items() if name not in self.SECRET_HEADERS}
        fields: dict[str, Any] = {"post": await self._posted(), "get": self._query(), "headers": headers}
        try:
            fields["body"] = body.decode()
        except UnicodeDecodeError:
            fields |= {"body": base64.b64encode(body).decode(), "body_encoding": "base64"}
        await self.reply({"success": await self.ask("hook", hook=hook, **fields)})

    async def _posted(self) -> Any:
        """Return the parsed body; an empty object for an unknown type, and for text that cannot be parsed."""
        header = self.request.headers.get("Content-Type")
        try:
            return await self.read_value(known=self.session is not None) or {}
        except ApiError as error:
            as_text = header is None or content.media_type(header) == "text/plain"
            if error.status == 406 or (error.code == "bad_json" and as_text):
                return {}
            raise

    def _query(self) -> dict[str, Any]:
        """Return the parameters of the query; repeated ones are a list, as in saltnado."""
        found = content.fields(self.request.query)
        return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


class StatsHandler(SaltHandler):
    """``/stats``: counters since the start."""

    async def get(self) -> None:
        """Answer with the counters."""
        await self.reply(self.clients.services.hub.counters.to_dict() | {"connections": len(self.clients)})


def _key_bits(value: Any) -> int:
    """Return the bits of a new key; raise numbers below the minimum to it, as Salt documents."""
    bits = KEY_BITS[0] if value is None else value
    if isinstance(bits, str) and bits.isascii() and bits.isdigit():
        bits = int(bits[:9])  # in a form all fields are text
    if not isinstance(bits, int) or isinstance(bits, bool) or not 0 < bits <= KEY_BITS[1]:
        fault = {"path": "/keysize", "message": f"must be a number of bits, at most {KEY_BITS[1]}"}
        raise ApiError("bad_message", f"keysize {fault['message']}", [fault])
    return max(bits, KEY_BITS[0])


def _tar(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            entry, data = tarfile.TarInfo(name), text.encode()
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()

"""Send commands to the master: publishes, runners and wheels. The master authorizes each by the token in its load."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import salt.utils.args
import salt.utils.files
import salt.utils.user

from ..errors import ApiError
from . import targets
from .call_arguments import bind, check_arguments
from .channels import Channels
from .functions import MasterFunctions
from .pool import Pool
from .replies import raise_error, unexpected_answer
from .salt_compat import plain

log = logging.getLogger(__name__)

#: Functions that the engine may run with the master's key: to query a job, and to end it for its owner.
AS_MASTER = frozenset(("saltutil.find_job", "saltutil.term_job", "saltutil.kill_job"))
#: Fields that a caller must never add to a publish, because each decides whose rights count.
_CREDENTIALS = frozenset(("token", "key", "eauth", "username", "password", "auth_list", "user"))


class Commands:
    """Sends commands on behalf of clients.

    :param user_of: returns ``{"eauth", "username"}`` of a known token. Salt finds the user by the token alone, but asks
        a backend for its own ``acl`` only if the load has these two.
    """

    def __init__(
        self,
        opts: dict[str, Any],
        channels: Channels,
        pool: Pool,
        functions: MasterFunctions | None = None,
        user_of: Callable[[str], dict[str, str]] = lambda token: {},
    ) -> None:
        self._user_of = user_of
        self._opts = opts
        self._channels = channels
        self._pool = pool
        self._functions = functions or MasterFunctions(opts, pool)

    def check_arguments(self, arg: list[Any], kwarg: dict[str, Any]) -> None:
        """Check that :meth:`publish` would accept these arguments.

        :raises ApiError: ``bad_message``
        """
        check_arguments(arg, kwarg, parse=False)

    async def publish(
        self,
        token: str,
        user: str,
        fun: str,
        arg: list[Any],
        kwarg: dict[str, Any],
        tgt: str | list[str],
        tgt_type: str,
        extra: dict[str, Any] | None = None,
        *,
        parse: bool = False,
    ) -> dict[str, Any]:
        """Start ``fun`` on minions.

        Arguments arrive unchanged: ``"1"`` stays a string and ``1`` an integer. Salt cannot pass three forms:

        * Every minion reads a positional string ``name=value`` as a keyword argument. It is refused here. In ``kwarg``
          it passes unchanged. With ``parse`` it is sent, because clients of salt-api mean a keyword argument.
        * A positional object with the key ``__kwarg__`` is refused. With ``true`` it is the wire form of keyword
          arguments. With any other value the master checks rights as if it were, and a minion removes the key. With
          ``parse`` it is sent as by Salt's own client, unless the value is ``true``.
        * An integer outside 64 bits arrives as a string.

        :param user: the name of the token's user, for the master's blacklist; Salt takes the job's user from the token
        :param extra: further fields: ``ret`` (returners), ``metadata``, ``delimiter``, ``module_executors`` ...
        :return: ``{"jid": str, "minions": [ids that the master expects], "missing": [ids]}``
        :raises ApiError: ``bad_message``, ``unauthenticated``, ``forbidden``, ``no_minions``, ``master_unavailable``
        """
        extra = dict(extra or {})
        if taboo := _CREDENTIALS & extra.keys():
            raise ValueError(f"credentials are not allowed in a publish: {sorted(taboo)}")
        check_arguments(arg, kwarg, parse)
        read = self._opts, tgt, tgt_type, extra.get("delimiter", targets.DELIMITER)
        tgt, tgt_type = targets.read(*read) if tgt_type in targets.PLAIN else await self._pool.run(targets.read, *read)
        returners = [name for name in (extra.pop("ret", ""), self._opts.get("ext_job_cache")) if name]
        load = _publish_load(fun, arg, kwarg, tgt, tgt_type, user)
        load["ret"] = ",".join(returners)
        # Without a jid, because with one the master fires a refused load on the bus, token included. Without a key,
        # because it means root.
        load["kwargs"] = {"token": token, **self._user_of(token), **extra}
        return await self._publish(load)

    async def publish_as_master(
        self, fun: str, arg: list[Any], kwarg: dict[str, Any], minions: list[str]
    ) -> dict[str, Any]:
        """Run one of :data:`AS_MASTER` on these minions with the master's own key.

        :return: ``{"jid", "minions"}``
        :raises ValueError: the function is another one
        :raises ApiError: ``no_minions``, ``master_unavailable``
        """
        if fun not in AS_MASTER:
            raise ValueError(f"{fun} must not run with the master's own key")
        user, key = await self._pool.run(self._own_key)
        answer = await self._publish({**_publish_load(fun, arg, kwarg, list(minions), "list", user), "key": key})
        log.info("%s as the master on %d minions: jid %s", fun, len(answer["minions"]), answer["jid"])
        return {"jid": answer["jid"], "minions": answer["minions"]}

    async def read_for_runner(
        self, fun: str, arg: list[Any], kwarg: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments that Salt's ``RunnerClient`` sends for a low, for :meth:`runner`.

        :raises ApiError: ``unknown_function``; ``bad_message`` if they are invalid
        """
        return await self._functions.read_for_runner(fun, arg, kwarg)

    async def runner(self, token: str, fun: str, arg: list[Any], kwarg: dict[str, Any]) -> dict[str, Any]:
        """Start a runner. Its return is fired on the bus as ``<tag>/ret``. Arguments arrive unchanged.

        :return: ``{"jid", "tag"}``
        :raises ApiError: ``unknown_function`` (also for arguments that it does not accept), ``unauthenticated``,
            ``forbidden``, ``master_unavailable``
        """
        if await self._functions.signature("runner", fun) is None:
            raise ApiError("unknown_function", f"there is no runner function {fun}")
        # Salt would run it, and return the complaint with the documentation as the runner's result.
        if argument_mismatch := await self._functions.argument_mismatch("runner", fun, arg, kwarg):
            raise ApiError("unknown_function", f"{fun} does not accept these arguments: {argument_mismatch}")
        # Nested, because the master drops an `arg` at the top, and Salt's permission check reads both from here.
        nested = {"arg": list(arg), "kwarg": dict(kwarg)}
        load = {"cmd": "runner", "fun": fun, "kwarg": nested, "token": token, **self._user_of(token)}
        answer = raise_error(await self._channels.request(load))
        if not isinstance(answer, dict) or "jid" not in answer:
            raise unexpected_answer(answer)
        return {"jid": str(answer["jid"]), "tag": str(answer["tag"])}

    async def wheel(
        self, token: str, fun: str, arg: list[Any], kwarg: dict[str, Any], *, parse: bool = False
    ) -> dict[str, Any]:
        """Run a wheel function and wait for its end.

        Salt passes a wheel's arguments by name only. Positional ones are bound to the names of its signature.

        :param parse: drop ``match`` if the function has no such argument, as Salt does for its own client
        :return: ``{"jid", "tag", "return", "success"}``
        :raises ApiError: ``unknown_function`` (also for arguments that it does not accept), ``bad_message`` for names
            that Salt reserves, ``unauthenticated``, ``forbidden``, ``timeout``, ``master_unavailable``
        """
        spec = await self._functions.signature("wheel", fun)
        if spec is None:
            raise ApiError("unknown_function", f"there is no wheel function {fun}")
        if parse and "match" not in spec["args"]:
            kwarg = {name: value for name, value in kwarg.items() if name != "match"}
        # Without print_event 3007 prints the return on the master's standard output.
        bound = bind(fun, spec, arg, kwarg)
        load = {"cmd": "wheel", "fun": fun, "token": token, **self._user_of(token), "print_event": False, **bound}
        answer = raise_error(await self._channels.request(load, wheel=True))
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
            raise unexpected_answer(answer)
        data = answer["data"]
        return {
            "jid": str(data.get("jid")),
            "tag": str(answer.get("tag")),
            "return": plain(data.get("return")),
            "success": bool(data.get("success")),
        }

    async def _publish(self, load: dict[str, Any]) -> dict[str, Any]:
        if self._opts.get("order_masters"):
            load["to"] = self._opts.get("publish_timeout", 30)  # for the syndics below
        answer = raise_error(await self._channels.request(load))
        published: Any = answer.get("load") if isinstance(answer, dict) else None
        if not isinstance(published, dict):
            raise unexpected_answer(answer)
        if not published.get("jid"):
            if "error" in published and not published.get("minions"):
                raise ApiError("no_minions", "the target matches no minion that this master knows")
            raise unexpected_answer(answer)
        return {
            "jid": str(published["jid"]),
            "minions": plain(published.get("minions") or []),
            "missing": plain(published.get("missing") or []),
        }

    def _own_key(self) -> tuple[str, str]:
        """Return the master's user and its key. The key is read each time, because the master rotates it."""
        owner = str(self._opts.get("user") or "root")
        user = str(salt.utils.user.get_specific_user())
        if user == "root" or user.startswith("sudo_"):
            user = owner
        try:
            with salt.utils.files.fopen(os.path.join(self._opts["cachedir"], f".{user}_key"), "r") as file:
                return user, str(file.read())
        except OSError as error:
            log.error("cannot read the master's own key: %s", error)
            raise ApiError(
                "master_unavailable", "the engine cannot read the master's key; run it as the master's user"
            ) from None


def _publish_load(
    fun: str, arg: list[Any], kwarg: dict[str, Any], tgt: str | list[str], tgt_type: str, user: str
) -> dict[str, Any]:
    """Return a load for the master's ``publish``, without credentials and returners."""
    return {
        "cmd": "publish",
        "tgt": tgt,
        "fun": fun,
        "arg": salt.utils.args.condition_input(arg, kwarg),
        "tgt_type": tgt_type,
        "ret": "",
        "user": user,
    }

"""Commands sent to the master: publishes, runners, wheels. The master authorizes each by the token in its load."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import salt.utils.args
import salt.utils.files
import salt.utils.user

from ..errors import MAX_FAULTS, MAX_NAME, ApiError, not_permitted
from . import arguments, targets
from .channels import Channels
from .functions import MasterFunctions
from .pool import Pool
from .salt_compat import plain

log = logging.getLogger(__name__)

#: What the engine may run with the master's own key: to find out about a job, and to end one for its owner.
AS_MASTER = frozenset(("saltutil.find_job", "saltutil.term_job", "saltutil.kill_job"))
#: Never taken from a caller into a publish: each of them decides by whose rights the master acts.
_CREDENTIALS = frozenset(("token", "key", "eauth", "username", "password", "auth_list", "user"))
#: A wheel's keyword arguments stand flat beside these in the load, or Salt drops or overwrites them on the way.
_WHEEL_RESERVED = frozenset(
    (
        *("cmd", "fun", "token", "eauth", "username", "password"),
        *("print_event", "full_return", "arg", "kwarg", "client"),
    )
)


class Commands:
    """Sends commands in a client's name.

    :param whose: ``whose(token)`` gives ``{"eauth", "username"}`` of a token that is known. Salt finds the user by the
        token alone, but asks a backend for an ``acl`` of its own only where these two stand beside it.
    """

    def __init__(
        self,
        opts: dict[str, Any],
        channels: Channels,
        pool: Pool,
        functions: MasterFunctions | None = None,
        whose: Callable[[str], dict[str, str]] = lambda token: {},
    ) -> None:
        self._whose = whose
        self._opts = opts
        self._channels = channels
        self._pool = pool
        self._functions = functions or MasterFunctions(opts, pool)

    def check_arguments(self, arg: list[Any], kwarg: dict[str, Any]) -> None:
        """Nothing for arguments that :meth:`publish` would take.

        :raises ApiError: ``bad_message``
        """
        _check_arguments(arg, kwarg, parse=False)

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
        """Start ``fun`` on minions: ``{"jid": str, "minions": [ids that the master expects], "missing": [ids]}``.

        Arguments arrive as they are: ``"1"`` stays a string and ``1`` an integer. Salt makes three forms impossible:

        * A positional string of the form ``name=value`` is taken for a keyword argument by every minion. It is
          refused here, because it would arrive as something else; by its name in ``kwarg`` it passes unchanged. With
          ``parse`` it is sent as it is: that is what clients of salt-api mean by it.
        * A positional object with the key ``__kwarg__`` is refused: with ``true`` it is the wire form of keyword
          arguments, and with any other value the master takes it for them when it checks rights, and a minion takes the
          key away. With ``parse`` it is sent as Salt's own client sends it, unless the value is ``true``.
        * An integer outside 64 bits arrives as a string.

        :param user: the name behind the token, for the master's blacklist; the job's user is taken from the token
        :param extra: what else travels: ``ret`` (returners), ``metadata``, ``delimiter``, ``module_executors`` ...
        :raises ApiError: ``bad_message``, ``unauthenticated``, ``forbidden``, ``no_minions``, ``master_unavailable``
        """
        extra = dict(extra or {})
        if taboo := _CREDENTIALS & extra.keys():
            raise ValueError(f"not for a publish: {sorted(taboo)}")
        _check_arguments(arg, kwarg, parse)
        read = self._opts, tgt, tgt_type, extra.get("delimiter", targets.DELIMITER)
        tgt, tgt_type = targets.read(*read) if tgt_type in targets.PLAIN else await self._pool.run(targets.read, *read)
        returners = [name for name in (extra.pop("ret", ""), self._opts.get("ext_job_cache")) if name]
        load = {
            "cmd": "publish",
            "tgt": tgt,
            "fun": fun,
            "arg": salt.utils.args.condition_input(arg, kwarg),
            "tgt_type": tgt_type,
            "ret": ",".join(returners),
            "user": user,
            # No jid: with one, the master would put a refused load on the bus, token and all. No key: it means root.
            "kwargs": {"token": token, **self._whose(token), **extra},
        }
        return await self._publish(load)

    async def publish_as_master(
        self, fun: str, arg: list[Any], kwarg: dict[str, Any], minions: list[str]
    ) -> dict[str, Any]:
        """Run one of :data:`AS_MASTER` on these minions with the master's own key: ``{"jid", "minions"}``.

        :raises ValueError: for any other function
        :raises ApiError: ``no_minions``, ``master_unavailable``
        """
        if fun not in AS_MASTER:
            raise ValueError(f"{fun} is not for the master's own key")
        user, key = await self._pool.run(self._own_key)
        load = {
            "cmd": "publish",
            "tgt": list(minions),
            "fun": fun,
            "arg": salt.utils.args.condition_input(arg, kwarg),
            "tgt_type": "list",
            "ret": "",
            "user": user,
            "key": key,
        }
        answer = await self._publish(load)
        log.info("%s as the master on %d minions: jid %s", fun, len(answer["minions"]), answer["jid"])
        return {"jid": answer["jid"], "minions": answer["minions"]}

    async def read_for_runner(
        self, fun: str, arg: list[Any], kwarg: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments that Salt's ``RunnerClient`` makes of those of a low, for :meth:`runner`.

        :raises ApiError: ``unknown_function``, ``bad_message`` for what cannot be read
        """
        return await self._functions.read_for_runner(fun, arg, kwarg)

    async def runner(self, token: str, fun: str, arg: list[Any], kwarg: dict[str, Any]) -> dict[str, Any]:
        """Start a runner: ``{"jid", "tag"}``. Its return comes on the bus, as ``<tag>/ret``.

        Arguments arrive exactly as they are.

        :raises ApiError: ``unknown_function`` (also for arguments that it does not take), ``unauthenticated``,
            ``forbidden``, ``master_unavailable``
        """
        if await self._functions.signature("runner", fun) is None:
            raise ApiError("unknown_function", f"there is no runner function {fun}")
        # Salt would run it, and return the complaint and the documentation as if they were the runner's answer.
        if misfit := await self._functions.misfit("runner", fun, arg, kwarg):
            raise ApiError("unknown_function", f"{fun} does not accept these arguments: {misfit}")
        # Nested so, for the master drops an `arg` at the top, and Salt's permission check looks for both in here.
        nested = {"arg": list(arg), "kwarg": dict(kwarg)}
        load = {"cmd": "runner", "fun": fun, "kwarg": nested, "token": token, **self._whose(token)}
        answer = _ask_error(await self._channels.request(load))
        if not isinstance(answer, dict) or "jid" not in answer:
            raise _strange(answer)
        return {"jid": str(answer["jid"]), "tag": str(answer["tag"])}

    async def wheel(
        self, token: str, fun: str, arg: list[Any], kwarg: dict[str, Any], *, parse: bool = False
    ) -> dict[str, Any]:
        """Run a wheel function and wait for it: ``{"jid", "tag", "return", "success"}``.

        Salt takes a wheel's arguments by name only: positional ones are bound to the names of its signature.

        :param parse: leave out ``match`` where the function has no such argument, as Salt does for its own client
        :raises ApiError: ``unknown_function`` (also for arguments that it does not take), ``bad_message`` for names
            that Salt keeps for itself, ``unauthenticated``, ``forbidden``, ``timeout``, ``master_unavailable``
        """
        spec = await self._functions.signature("wheel", fun)
        if spec is None:
            raise ApiError("unknown_function", f"there is no wheel function {fun}")
        if parse and "match" not in spec["args"]:
            kwarg = {name: value for name, value in kwarg.items() if name != "match"}
        # Without print_event 3007 prints the return on the master's standard output.
        bound = _bind(fun, spec, arg, kwarg)
        load = {"cmd": "wheel", "fun": fun, "token": token, **self._whose(token), "print_event": False, **bound}
        answer = _ask_error(await self._channels.request(load, wheel=True))
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
            raise _strange(answer)
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
        answer = _ask_error(await self._channels.request(load))
        told = answer.get("load") if isinstance(answer, dict) else None
        if not isinstance(told, dict):
            raise _strange(answer)
        if not told.get("jid"):
            if "error" in told and not told.get("minions"):
                raise ApiError("no_minions", "the target matches no minion that this master knows")
            raise _strange(answer)
        return {
            "jid": str(told["jid"]),
            "minions": plain(told.get("minions") or []),
            "missing": plain(told.get("missing") or []),
        }

    def _own_key(self) -> tuple[str, str]:
        """The user that the master runs as and its key, read anew each time: the master rotates it."""
        owner = str(self._opts.get("user") or "root")
        user = str(salt.utils.user.get_specific_user())
        if user == "root" or user.startswith("sudo_"):
            user = owner
        try:
            with salt.utils.files.fopen(os.path.join(self._opts["cachedir"], f".{user}_key"), "r") as file:
                return user, str(file.read())
        except OSError as exc:
            log.error("cannot read the master's own key: %s", exc)
            raise ApiError(
                "master_unavailable", "the engine cannot read the master's key; run it as the master's user"
            ) from None


def _check_arguments(arg: list[Any], kwarg: dict[str, Any], parse: bool) -> None:
    faults: list[dict[str, str]] = []
    for number, value in enumerate(arg):
        if len(faults) == MAX_FAULTS:
            break
        # The same test that the minion makes (salt.minion.load_args_and_kwargs).
        if isinstance(value, str) and not parse and (name := salt.utils.args.parse_kwarg(value)[0]):
            name = name[:MAX_NAME]
            message = f"Salt takes a string that begins with '{name}=' for a keyword argument: give it in kwargs"
            faults.append({"path": f"/args/{number}", "message": message})
        elif isinstance(value, dict) and "__kwarg__" in value and (not parse or value["__kwarg__"] is True):
            faults.append({"path": f"/args/{number}", "message": "__kwarg__ is Salt's own mark"})
    faults += [
        {"path": f"/kwargs/{str(name)[:MAX_NAME]}", "message": "is one of Salt's own names"}
        for name in kwarg
        if not isinstance(name, str) or name == "__kwarg__" or name.startswith("__pub_")
    ]
    if faults:
        raise ApiError("bad_message", "Salt cannot pass these arguments unchanged", faults[:MAX_FAULTS])


def _bind(fun: str, spec: dict[str, Any], arg: list[Any], kwarg: dict[str, Any]) -> dict[str, Any]:
    names = spec["args"]
    if len(arg) > len(names):
        raise ApiError("unknown_function", f"{fun} accepts at most {len(names)} positional arguments")
    arguments.check_names(kwarg)
    bound = dict(zip(names, arg, strict=False))
    for name, value in kwarg.items():
        if name in bound:
            raise ApiError("unknown_function", f"{fun} got two values for {name}")
        if name not in names and not spec["keywords"]:
            raise ApiError("unknown_function", f"{fun} has no argument {name}")
        # Salt does not hand a keyword `match` on to a function that does not name it.
        if name.startswith("_") or name in _WHEEL_RESERVED or (name == "match" and name not in names):
            raise ApiError("bad_message", f"Salt reserves the name {name} in wheel calls")
        bound[name] = value
    if reserved := [name for name in bound if name.startswith("_") or name in _WHEEL_RESERVED]:
        raise ApiError("bad_message", f"Salt reserves the name {reserved[0]} in wheel calls")
    required = names[: len(names) - len(spec["defaults"] or ())]
    if absent := [name for name in required if name not in bound]:
        raise ApiError("unknown_function", f"{fun} needs {', '.join(absent)}")
    return bound


def _ask_error(answer: Any) -> Any:
    """``answer``, unless it is one of Salt's errors."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not error:
        return answer
    if not isinstance(error, dict):
        error = {"message": error}
    name, message = str(error.get("name", "")), str(error.get("message", ""))
    if name == "AuthorizationError":
        raise not_permitted()
    if name == "AuthenticationError":
        raise ApiError("unauthenticated", "Salt does not accept the token; log in again")
    if name == "TokenAuthenticationError":
        # For runners and wheels Salt gives both the same name; only a refused command names the user.
        if "for user" in message:
            raise not_permitted()
        raise ApiError("unauthenticated", "Salt does not accept the token; log in again")
    if name == "SaltInvocationError":
        raise ApiError("bad_message", message)
    log.warning("the master answered with an error: %s %s", name, message)
    raise ApiError("master_unavailable", "the master could not do this; its log says why")


def _strange(answer: Any) -> ApiError:
    # "" and "Some exception handling minion payload" are among these.
    log.warning("the master's answer is not understood: a %s", type(answer).__name__)
    return ApiError("master_unavailable", "the master could not do this; its log says why")

"""Commands: cmd on minions, runner and wheel on the master. Salt authorizes each one by the client's token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from ..core.jobs.call import load_arguments, redact_call
from ..core.jobs.job import Job
from ..errors import MAX_FAULTS, ApiError, not_permitted
from .call import Call, operation
from .reach import Reach, narrowed
from .targets import target, without_unknown

STATE_FUNCTIONS = frozenset({"state.apply", "state.sls", "state.highstate"})
"""Functions with the argument ``state_events``, which makes each state report itself. Others would fail with it."""


def require_client(call: Call, *names: str) -> None:
    """Check that the option ``clients`` enables at least one of these names.

    :raises ApiError: forbidden
    """
    if not set(names) & set(call.services.settings.clients):
        message = f"the client {names[0]} is not enabled on this master (option clients)"
        raise ApiError("forbidden", message, status=400)


def require_bus(call: Call) -> None:
    """Check that the bus is connected. Without it returns are lost, and publishes fail in Salt.

    :raises ApiError: master_unavailable
    """
    if not call.services.bus_connected():
        raise ApiError("master_unavailable", "the master's event bus is gone: try again, or restart the master")


def note_function(call: Call, fun: str, arg: list[Any], kwarg: dict[str, Any]) -> None:
    """Add the function to the audit line, and its arguments if the option ``audit_args`` is set."""
    call.audit_fields["fun"] = fun
    if call.services.settings.audit_args:
        shown, named = redact_call(arg, kwarg)
        call.audit_fields["arg"] = [*shown, named] if named else shown


async def publish(
    call: Call,
    fun: str,
    arg: list[Any],
    kwarg: dict[str, Any],
    tgt: Any,
    tgt_type: str,
    *,
    parse: bool = False,
    **extra: Any,
) -> Job:
    """Publish a job with the client's token, and register it.

    :param parse: read positional strings of the form ``name=value`` as keyword arguments
    :param extra: further fields of the publish: ``metadata``, ``delimiter``, ``ret``
    """
    session, services = call.session, call.services
    call.audit_fields["tgt"] = tgt
    note_function(call, fun, arg, kwarg)
    require_bus(call)
    both = load_arguments(arg, kwarg)
    reach = Reach(call.permissions, fun, both)
    named = {"delimiter": extra["delimiter"]} if "delimiter" in extra else {}
    asked, unknown = without_unknown(services.minions, tgt, tgt_type)
    asked, kind = await narrowed(reach, services.match, asked, tgt_type, **named)
    async with services.jobs_in_flight.slot(services.settings.limits.master_seconds) as slot:
        with reach.hide_no_minions(), call.effect.sending(services.wall()):
            started = await services.commands.publish(
                session.token, session.user, fun, arg, kwarg, asked, kind, extra, parse=parse
            )
        call.effect.started(started["jid"])
        call.audit_fields["jid"] = started["jid"]
        load = {
            "fun": fun,
            "arg": both,
            "tgt": tgt,
            "tgt_type": tgt_type,
            "minions": started["minions"],
            "missing": [*started.get("missing", []), *unknown],
        }
        if "metadata" in extra:
            load["metadata"] = extra["metadata"]
        slot.job = services.jobs.add_started(started["jid"], load, session.user, session.eauth)
        return slot.job


def delimiter(call: Call) -> dict[str, str]:
    """Return the delimiter between levels of a grain or pillar in the target, if the message has one."""
    return {"delimiter": call.message["delimiter"]} if "delimiter" in call.message else {}


@operation("cmd", audited=True)
async def cmd(call: Call) -> dict[str, Any]:
    """Run a function on minions."""
    sync = call.get("mode", "async") == "sync"
    require_client(call, *(("local", "local_batch", "local_subset") if sync else ("local_async", "local")))
    kwarg = dict(call.get("kwarg", {}))
    if call.get("progress") and call.message["fun"] in STATE_FUNCTIONS:
        kwarg.setdefault("state_events", True)
    extra = {name: call.message[name] for name in ("metadata", "delimiter", "ret") if name in call.message}
    if "ret" in extra and not call.services.settings.allow_ret:
        fault = {"path": "/ret", "message": "this master does not allow returners (option allow_ret)"}
        raise ApiError("forbidden", fault["message"], [fault], status=400)
    parse, (tgt, tgt_type) = call.get("parse", False), target(call.message)
    if parse and not call.caller.reads_like_salt:
        refuse_marks(call.get("arg", []))
    with starting(call, sync):
        job = await publish(call, call.message["fun"], call.get("arg", []), kwarg, tgt, tgt_type, parse=parse, **extra)
    if not sync:
        return {"jid": job.jid, "minions": sorted(job.parts)}
    await call.wait_for_end(job)
    return _job_view(call, job)


def starting(call: Call, sync: bool) -> AbstractContextManager[None]:
    """Start a job. If the client waits for its end, its first events must not wait for others on the bus."""
    return call.services.job_watcher.starting() if sync else nullcontext()


def refuse_marks(arg: list[Any]) -> None:
    """Refuse positional objects with Salt's mark of keyword arguments, with any value.

    When the master checks permissions, it reads such an object as keyword arguments. A minion does not.

    :raises ApiError: bad_message
    """
    message = "__kwarg__ is reserved by Salt: send keyword arguments in `kwarg`"
    places = [number for number, value in enumerate(arg) if isinstance(value, dict) and "__kwarg__" in value]
    if places:
        faults = [{"path": f"/args/{number}", "message": message} for number in places[:MAX_FAULTS]]
        raise ApiError("bad_message", f"/args/{places[0]} {message}", faults)


@contextmanager
def hide_unknown_function(call: Call, client: str, fun: str, arg: list[Any], kwarg: dict[str, Any]) -> Iterator[None]:
    """Answer ``forbidden`` to users without permission, whether or not the function exists and takes the arguments."""
    if not call.permissions.may_call_somehow(client, fun):
        raise not_permitted()
    try:
        yield
    except ApiError as error:
        if error.code in ("unknown_function", "bad_message") and not call.permissions.may_call(client, fun, arg, kwarg):
            raise not_permitted() from None
        raise


@operation("runner", audited=True)
async def runner(call: Call) -> Any:
    """Run a runner on the master."""
    sync = call.get("mode", "async") == "sync"
    require_client(call, "runner" if sync else "runner_async", "runner")
    session, services, fun = call.session, call.services, call.message["fun"]
    arg, kwarg = call.get("arg", []), call.get("kwarg", {})
    note_function(call, fun, arg, kwarg)
    require_bus(call)
    if call.caller.reads_like_salt:
        with hide_unknown_function(call, "runner", fun, arg, kwarg):
            arg, kwarg = await services.commands.read_for_runner(fun, arg, kwarg)
    async with services.runners_in_flight.slot(services.settings.limits.master_seconds) as slot:
        checked = hide_unknown_function(call, "runner", fun, arg, kwarg)
        with checked, call.effect.sending(services.wall()), starting(call, sync):
            started = await services.commands.runner(session.token, fun, arg, kwarg)
        call.effect.started(started["jid"])
        call.audit_fields["jid"] = started["jid"]
        job = slot.job = services.jobs.add_called("runner", started["jid"], fun, session.user, session.eauth)
    if not sync:
        return started
    if not await call.wait_for_end(job):
        raise ApiError("timeout", "the runner is still running", {"jid": job.jid})
    return {**started, "return": job.value, "success": bool(job.success)} if call.get("full") else job.value


@operation("wheel", audited=True)
async def wheel(call: Call) -> Any:
    """Run a wheel function on the master. Salt answers after it has run."""
    sync = call.get("mode", "async") == "sync"
    require_client(call, "wheel" if sync else "wheel_async", "wheel")
    session, services, fun = call.session, call.services, call.message["fun"]
    arg, kwarg = call.get("arg", []), call.get("kwarg", {})
    note_function(call, fun, arg, kwarg)
    with hide_unknown_function(call, "wheel", fun, arg, kwarg), call.effect.sending(services.wall()):
        parse = {"parse": True} if call.caller.reads_like_salt else {}
        ran = await services.commands.wheel(session.token, fun, arg, kwarg, **parse)
    call.effect.started(ran["jid"])
    call.audit_fields["jid"] = ran["jid"]
    services.jobs.add_called("wheel", ran["jid"], fun, session.user, session.eauth)
    if sync:
        return ran if call.get("full") else ran["return"]
    return {"jid": ran["jid"], "tag": ran["tag"]}


def _job_view(call: Call, job: Job) -> dict[str, Any]:
    view = call.services.job_feed.view(job, call.viewer)
    if view is None:
        raise ApiError("not_found", "there is no such job")
    return view

"""What is comparable in an answer: statuses, the headers that matter, and bodies without what differs at every run.

Jids, tokens, keys, times, ports and paths become words in angle brackets; grains become the names of those that every
minion has; a list of jobs is cut down to the job that is known.
"""

from __future__ import annotations

import html
import io
import json
import re
import tarfile
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any

from tests.goldens.frames import is_the_ping, the_minion
from tests.goldens.sending import Answer

HEADERS = (
    "content-type",
    "content-disposition",
    "cache-control",
    "x-auth-token",
    "www-authenticate",
    "location",
    "allow",
)
COOKIE_ATTRIBUTES = ("path", "domain", "max-age", "expires", "httponly", "secure", "samesite")

# What every minion tells of itself, wherever it runs.
GRAINS = ("cpuarch", "fqdn", "host", "id", "kernel", "master", "mem_total", "num_cpus", "os", "pid", "saltversion")

TIMES = ("expire", "start", "_stamp", "start_time", "StartTime", "Start Time", "duration", "ts")
UNSORTED_IDS = ("minions", "Minions", "missing")

MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
WORDS = (
    (r"-----BEGIN [A-Z ]*KEY-----[\s\S]*?-----END [A-Z ]*KEY-----\n?", "<key>"),
    (r"\b(?:[0-9a-f]{2}:){15,31}[0-9a-f]{2}\b", "<fingerprint>"),
    (r"\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b", "<token>"),
    (r"\b20\d{18}(?:_\d+)?(?!\d)", "<jid>"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00|Z)?", "<time>"),
    (rf"\b\d{{4}}, {MONTH} \d\d \d\d:\d\d:\d\d(?:\.\d+)?", "<time>"),
    (rf"\b[A-Z][a-z]{{2}}, \d\d[ -]{MONTH}[ -]\d{{4}} \d\d:\d\d:\d\d GMT", "<time>"),
    (r"\b127\.0\.0\.1:\d+", "<host>"),
    (r"Traceback \(most recent call last\):\n(?:[ \t]+.*\n)*", "<traceback> "),
    (r"(?<![\w<.])/(?:tmp|home|root|usr|opt|var|work|srv|data)/[^\s'\",:<]+", "<path>"),
    (r"\bline \d+", "line <number>"),
    (r"\b0x[0-9a-f]{6,}\b", "<address>"),
)


def shape(answer: Answer, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the comparable shape of an answer, as JSON can hold it.

    :param values: what stood for the words in angle brackets of the request
    """
    if answer.status is None:
        return {"status": None, "fault": answer.fault}
    known = values.get("<known jid>", "")
    found: dict[str, Any] = {"status": answer.status, "headers": headers(answer.headers)}
    if not answer.frames:
        found["body"] = body(found["headers"].get("content-type", ""), answer.body, known)
    else:
        found["frames"] = {kind: frame(text, known) for kind, text in answer.frames}
    if answer.event is not None:
        found["event"] = value(answer.event, known)
    return found


def headers(sent: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the headers that matter by their lower-case names, and cookies by name with their attributes."""
    found: dict[str, Any] = {}
    for name, text in ((name.lower(), text) for name, text in sent):
        if name in HEADERS or name.startswith("access-control-"):
            found[name] = words(text)
        elif name == "set-cookie":
            found.setdefault("set-cookie", {}).update(cookies(text))
    return dict(sorted(found.items()))


def cookies(text: str) -> dict[str, dict[str, Any]]:
    """Return what a Set-Cookie header sets: its value's form and the attributes that it has."""
    found = {}
    for name, morsel in SimpleCookie(text).items():
        attributes = {key: morsel[key] for key in COOKIE_ATTRIBUTES if morsel[key] != ""}
        attributes = {key: words(text) if isinstance(text, str) else text for key, text in attributes.items()}
        found[name] = {"value": words(morsel.value), **attributes}
    return found


def body(content_type: str, raw: bytes, known: str) -> dict[str, Any]:
    """Return the body under the name of what it is: json, yaml, html, tar, text or nothing."""
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if not raw:
        return {}
    if kind == "application/x-tar":
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            files = {member.name: archive.extractfile(member) for member in archive.getmembers()}
            return {"tar": {name: words(file.read().decode()) if file else None for name, file in files.items()}}
    text = raw.decode(errors="replace")
    if kind == "application/json":
        return {"json": value(json.loads(text), known)}
    if kind == "application/x-yaml":
        import yaml  # only who sends the requests has it for sure

        return {"yaml": value(yaml.safe_load(text), known)}
    if kind == "text/html" and "<title>" in text:
        return {"html": error_page(text)}
    return {"text": words(text)}


def error_page(page: str) -> dict[str, str]:
    """Return the title and the sentence of an error page; the rest is the server's decoration."""
    title = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    sentence = re.search(r"<p>(.*?)</p>", page, re.DOTALL) or re.search(r"<body>(.*?)</body>", page, re.DOTALL)
    found = {"title": title, "sentence": sentence}
    return {name: words(html.unescape(part[1])) if part else "" for name, part in found.items()}


def frame(text: str, known: str) -> dict[str, Any]:
    """Return a frame's text with ``<json>`` where its JSON stood, and that JSON."""
    found = re.search(r"\{.*\}", text)
    if not found:
        return {"text": text}
    data = json.loads(found[0])
    if "minions" in data:
        only = the_minion(data["minions"])
        data["minions"] = [only] if isinstance(data["minions"], list) else {"minion-1": only}
    if "jobs" in data:
        last = [jid for jid, job in data["jobs"].items() if is_the_ping(job)][-1]
        data["jobs"] = {last: data["jobs"][last]}
    around = text[: found.start()] + "<json>" + text[found.end() :]
    return {"text": words(around), "json": value(data, known)}


def words(text: str, known: str = "") -> str:
    """Return the text with everything in it that differs from run to run replaced."""
    if known:
        text = text.replace(known, "<known jid>")
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text)
    return text


def value(data: Any, known: str) -> Any:
    """Return the value with its strings, times, lists of minions, grains and lists of jobs made comparable."""
    if isinstance(data, str):
        return words(data, known)
    if isinstance(data, list):
        return [value(item, known) for item in (sorted(data, key=list) if _one_minion_each(data) else data)]
    if not isinstance(data, Mapping):
        return data
    if {"kernel", "saltversion"} <= data.keys():
        return {"<grains>": [name for name in GRAINS if name in data]}
    if any(str(key).startswith("Cheroot HTTPServer") for key in data):
        return {"<statistics>": sorted(re.sub(r"\d+", "<number>", str(key)) for key in data)}
    if known in data:
        data = {known: data[known]}
    found = {words(str(key), known): _member(str(key), item, known) for key, item in data.items()}
    return dict(sorted(found.items()))


def _one_minion_each(data: list[Any]) -> bool:
    """Return whether this is what a batch gives, one minion after the other as they returned."""
    names = [next(iter(item)) for item in data if isinstance(item, Mapping) and len(item) == 1]
    return len(names) == len(data) == len({*names}) and all(str(name).startswith("minion-") for name in names)


def _member(key: str, item: Any, known: str) -> Any:
    if key in TIMES and isinstance(item, (str, int, float)):
        return "<time>" if item else item
    if key in UNSORTED_IDS and isinstance(item, list) and all(isinstance(one, str) for one in item):
        return sorted(item)
    if key in ("pid", "Content-Length"):
        return "<number>"
    return value(item, known)

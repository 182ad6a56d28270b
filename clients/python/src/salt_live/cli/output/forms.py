"""Choose and apply an output form: ``--out``, or the form that a minion sends with its return."""

from __future__ import annotations

import json
import pprint
from collections.abc import Callable
from typing import Any

from salt_live.cli.output.highstate import highstate
from salt_live.cli.output.nested import nested, no_return
from salt_live.cli.output.style import Style, without_escapes

Form = Callable[[Any, Style, int], str]


class UnknownForm(Exception):
    """There is no output form of this name."""


def to_json(data: Any, style: Style, retcode: int = 0) -> str:
    """Return data as JSON, indented by 4 spaces unless ``--out-indent`` says otherwise."""
    pretty, indent = style.indent == "pretty", 4 if style.indent in (None, "pretty") else int(style.indent or 0)
    return json.dumps(data, default=repr, indent=indent if indent >= 0 else None, sort_keys=pretty, ensure_ascii=False)


def to_yaml(data: Any, style: Style, retcode: int = 0) -> str:
    """Return data as YAML in block style.

    :raises UnknownForm: PyYAML is not installed
    """
    try:
        import yaml
    except ImportError:
        raise UnknownForm("the output form yaml needs PyYAML: pip install 'salt-live[cli]'") from None
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    layout: dict[str, Any] = {"default_flow_style": False}
    if isinstance(style.indent, int):
        layout = {"default_flow_style": False, "indent": style.indent}
        if style.indent < 0:
            layout = {"default_flow_style": True, "indent": 0}
    return str(yaml.dump(data, Dumper=dumper, allow_unicode=True, **layout))


def to_txt(data: Any, style: Style, retcode: int = 0) -> str:
    """Return each line of text after its minion's id."""
    if isinstance(data, dict):
        lines = []
        for key, value in data.items():
            lines += [f"{key}: {line}" for line in (value.splitlines() if isinstance(value, str) else [value])]
        return "\n".join(lines)
    return data if isinstance(data, str) else pprint.pformat(data)


def to_pprint(data: Any, style: Style, retcode: int = 0) -> str:
    """Return data as Python, over several lines."""
    if isinstance(style.indent, int) and style.indent >= 0:
        return pprint.pformat(data, indent=style.indent)
    return pprint.pformat(data)


def values_only(data: Any, style: Style, retcode: int = 0) -> str:
    """Return the values alone, one a line."""
    if isinstance(data, dict):
        return "\n".join(line for value in data.values() if (line := values_only(value, style)))
    if isinstance(data, list | tuple):
        return "\n".join(values_only(value, style) for value in data)
    return str(data)


def keys(data: Any, style: Style, retcode: int = 0) -> str:
    """Return keys by their state, as `salt-key` lists them; with fingerprints if values are objects."""
    titles = {
        "local": ("Local Keys:", "light_magenta", "magenta"),
        "minions": ("Accepted Keys:", "light_green", "green"),
        "minions_denied": ("Denied Keys:", "light_magenta", "magenta"),
        "minions_pre": ("Unaccepted Keys:", "light_red", "red"),
        "minions_rejected": ("Rejected Keys:", "light_blue", "blue"),
    }
    lines = []
    for state in sorted(data):
        title, bright, color = titles[state]
        lines.append(style.paint(bright, title))
        for key in sorted(data[state]):
            shown = without_escapes(key)
            if isinstance(data[state], dict):
                shown = f"{shown}:  {data[state][key]}"
            lines.append(style.paint(color, shown))
    return "\n".join(lines)


FORMS: dict[str, Form] = {
    "nested": lambda data, style, retcode: nested(data, style, retcode=retcode),
    "json": to_json,
    "yaml": to_yaml,
    "txt": to_txt,
    "text": to_txt,
    "highstate": lambda data, style, retcode: highstate(data, style),
    "no_return": lambda data, style, retcode: no_return(data, style),
    "pprint": to_pprint,
    "raw": lambda data, style, retcode: str(data),
    "newline_values_only": values_only,
    "key": keys,
    "quiet": lambda data, style, retcode: "",
}


def render(data: Any, form: str | None, style: Style, *, retcode: int = 0) -> str:
    """Return data in an output form, without white space at the end.

    Data that does not fit the form is written as ``nested``, as Salt does.

    :param form: its name; None for ``nested``
    :raises UnknownForm: there is none of this name, and Salt's are not installed
    """
    name = form or "nested"
    write = FORMS.get(name) or _of_salt(name)
    try:
        return write(data, style, retcode).rstrip()
    except (KeyError, AttributeError, TypeError):
        return nested(data, style, retcode=retcode).rstrip()


def check_form(form: str | None) -> None:
    """Raise UnknownForm if there is no output form of this name."""
    if form and form not in FORMS:
        _of_salt(form)


def _of_salt(name: str) -> Form:
    """Return one of Salt's own outputters (the extra ``[salt]``).

    :raises UnknownForm: Salt is not installed, or has none of this name
    """
    try:
        import salt.config
        import salt.loader
    except ImportError:
        raise UnknownForm(
            f"there is no output form {name}: choose {', '.join(FORMS)}, or install 'salt-live[salt]' for Salt's own"
        ) from None
    options = {**salt.config.DEFAULT_MASTER_OPTS, "color": False}
    found = salt.loader.outputters(options)
    if name not in found:
        raise UnknownForm(f"there is no output form {name}: choose {', '.join(sorted({*FORMS, *found}))}")
    return lambda data, style, retcode: str(found[name](data, _retcode=retcode))

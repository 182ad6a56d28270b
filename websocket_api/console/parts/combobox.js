// @ts-check
// A text field with a list of suggestions: the ARIA combobox pattern with a listbox.

import { html, useEffect, useMemo, useRef, useState } from "../lib/html.js";

let made = 0; // comboboxes so far, for their ids

/**
 * Down and Up move through the list, Enter and Tab take the chosen one, Escape closes it. Any other text can be typed.
 *
 * @param label text of its label
 * @param value the text
 * @param change called with the text as it is typed
 * @param options [{value, detail}]
 * @param pick called with the option that is taken; by default its value is the text
 * @param focus called with whether the field has the focus
 */
export function Combobox({ label, value, change, options, pick = (option) => change(option.value), focus = (_) => {}, className = "", note = null, ...attributes }) {
  const id = useMemo(() => `combobox-${++made}`, []);
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const list = useRef(null);
  // What is typed completely needs no suggestions; its list would only cover what is below.
  const shown = open && options.length > 0 && !options.some((option) => option.value === value);
  const active = shown && at >= 0 ? Math.min(at, options.length - 1) : -1;
  useEffect(() => {
    if (active >= 0) list.current?.children[active]?.scrollIntoView({ block: "nearest" });
  }, [active]);
  const take = (option) => {
    setOpen(false);
    setAt(-1);
    pick(option);
  };
  const keys = {
    ArrowDown: () => (shown ? setAt(active + 1 < options.length ? active + 1 : 0) : setOpen(true)),
    ArrowUp: () => (shown ? setAt(active > 0 ? active - 1 : options.length - 1) : setOpen(true)),
    Enter: () => active >= 0 && take(options[active]),
    Escape: () => shown && setOpen(false),
  };
  const press = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) {
      if (event.key === "Tab" && active >= 0) take(options[active]);
      return;
    }
    const isHandled = event.key.startsWith("Arrow") || (event.key === "Enter" ? active >= 0 : shown);
    keys[event.key]();
    if (isHandled) {
      event.preventDefault();
      event.stopPropagation();
    }
  };
  const type = (event) => {
    setAt(-1);
    setOpen(true);
    change(event.target.value);
  };
  const turn = (isFocused) => {
    if (!isFocused) setOpen(false);
    focus(isFocused);
  };
  return html`<div class="combobox ${className}">
    <label for=${`${id}-field`}>${label}</label>
    <input id=${`${id}-field`} role="combobox" aria-autocomplete="list" aria-expanded=${shown} aria-controls=${`${id}-list`}
      aria-activedescendant=${active >= 0 ? `${id}-${active}` : undefined} value=${value} onInput=${type} onKeyDown=${press}
      onFocus=${() => turn(true)} onBlur=${() => turn(false)} onClick=${() => setOpen(true)} autocomplete="off" spellcheck=${false} ...${attributes} />
    <ul id=${`${id}-list`} role="listbox" aria-label="Suggestions" hidden=${!shown} ref=${list}>
      ${shown && options.map((option, number) => html`<li key=${`${option.value} ${option.tgt_type ?? ""}`} id=${`${id}-${number}`} role="option" aria-selected=${number === active} onMouseDown=${(event) => event.preventDefault()} onClick=${() => take(option)}>
        <span class="option-name">${option.value}</span>${option.detail && html` <span class="dim option-detail">${option.detail}</span>`}
      </li>`)}
    </ul>
    ${note}
  </div>`;
}

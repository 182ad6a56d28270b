// @ts-check
// Tools above the fleet's table: facets, saved filters, the choice of columns.

import { html, useState } from "../lib/html.js";
import { useStore } from "../lib/hooks.js";
import { lazy } from "../lib/lazy.js";

const Reference = lazy(async () => (await import("./reference.js")).Reference);

const SAVED = "salt-console-filters"; // in localStorage: {name: filters}
const MAX_GRAINS = 6; // columns of grains
const FIXED = [["status", "Status"], ["key", "Key"], ["master", "Master"], ["last", "Last job"], ["seen", "Last seen"]];

export function Facets({ facets, filters, filter }) {
  return html`<${Facet} label="Operating system" none="Any OS" values=${facets.os} value=${filters.os} change=${(os) => filter({ os })} />
    <${Facet} label="Salt version" none="Any Salt" values=${facets.salt} value=${filters.salt} change=${(salt) => filter({ salt })} />`;
}

function Facet({ label, none, values, value, change }) {
  if (values.length < 2 && !value) return null; // a choice of one is none
  const known = values.some(([name]) => name === value) || !value ? values : [[value, 0], ...values];
  return html`<select aria-label=${label} value=${value} onChange=${(event) => change(event.target.value)}>
    <option value="" selected=${!value}>${none}</option>
    ${known.map(([name, number]) => html`<option key=${name} value=${name} selected=${name === value}>${`${name} (${number.toLocaleString("en")})`}</option>`)}
  </select>`;
}

/** Tools over the table. Escape closes them, and so does opening others. */
function Popover({ title, className = "", onToggle, children }) {
  const press = (event) => {
    if (event.key !== "Escape") return;
    event.currentTarget.open = false;
    event.currentTarget.firstElementChild.focus();
  };
  return html`<details class="columns" name="fleet-tools" onKeyDown=${press} onToggle=${onToggle}>
    <summary>${title}</summary>
    <div class="popover ${className}">${children}</div>
  </details>`;
}

export function Columns({ fleet, keys, several }) {
  const absent = [keys ? "" : "key", several ? "" : "master"];
  const change = (event) => {
    const names = event.target.value.split(/[\s,]+/).filter(Boolean).slice(0, MAX_GRAINS);
    fleet.setColumns([...new Set(names)]);
  };
  const toggle = (name) => fleet.setHidden(fleet.hidden.includes(name) ? fleet.hidden.filter((one) => one !== name) : [...fleet.hidden, name]);
  return html`<${Popover} title="Columns">
      ${FIXED.filter(([name]) => !absent.includes(name)).map(([name, title]) => html`<label class="check" key=${name}><input type="checkbox" checked=${!fleet.hidden.includes(name)} onChange=${() => toggle(name)} /> ${title}</label>`)}
      ${fleet.hasGrains && html`<label>Grains to show as columns <input value=${fleet.columns.join(", ")} onChange=${change} /></label>`}
  </${Popover}>`;
}

/** The minions of one nodegroup. Only the master's configuration has the names, so they are read when they are needed. */
export function Nodegroup({ functions, session, value, change }) {
  useStore(functions);
  const read = () => session.wheels.includes("config.values") && !functions.nodegroups.length && functions.readNodegroups().catch(() => {});
  return html`<label>Nodegroup <input list="nodegroups" value=${value} onFocus=${read} onChange=${(event) => change(event.target.value.trim())} spellcheck=${false} /></label>
    <datalist id="nodegroups">${functions.nodegroups.map((name) => html`<option key=${name} value=${name} />`)}</datalist>`;
}

export function Compare({ fleet }) {
  const [open, setOpen] = useState(false);
  return html`<${Popover} title="Compare" className="compare" onToggle=${(event) => setOpen(event.currentTarget.open)}>${open && html`<${Reference} fleet=${fleet} />`}</${Popover}>`;
}

export function SavedFilters({ query, use, children }) {
  const [saved, setSaved] = useState(storedFilters);
  const [name, setName] = useState("");
  const write = (next) => {
    localStorage.setItem(SAVED, JSON.stringify(next));
    setSaved(next);
  };
  const save = (event) => {
    event.preventDefault();
    write({ ...saved, [name.trim()]: query });
    setName("");
  };
  const remove = (one) => write(Object.fromEntries(Object.entries(saved).filter(([known]) => known !== one)));
  const isFiltered = Object.keys(query).length > 0;
  return html`<${Popover} title="Filters">
      ${children}
      ${Object.keys(saved).length === 0 && html`<p class="dim">No saved filters yet.</p>`}
      <ul class="plain-list">${Object.entries(saved).map(([one, filters]) => html`<li key=${one}><button type="button" class="plain" onClick=${() => use(filters)}>${one}</button> <button type="button" class="small" aria-label=${`Delete the filter ${one}`} onClick=${() => remove(one)}>Delete</button></li>`)}</ul>
      ${isFiltered && html`<form onSubmit=${save}><label>Save the present filters as <input value=${name} maxlength="60" required onInput=${(event) => setName(event.target.value)} /></label><button type="submit" class="small" disabled=${!name.trim()}>Save</button>
        <button type="button" class="small" onClick=${() => use({})}>Clear all filters</button></form>`}
  </${Popover}>`;
}

function storedFilters() {
  try {
    const stored = JSON.parse(localStorage.getItem(SAVED)) ?? {};
    const isFilters = ([, filters]) => filters && typeof filters === "object" && Object.values(filters).every((value) => typeof value === "string");
    return Object.fromEntries(Object.entries(stored).filter(isFilters));
  } catch {
    return {};
  }
}

// @ts-check
// The address of a view and its filters: behind the # so that links, back and reload work. It contains no secrets.

import { useEffect, useRef, useState } from "./html.js";

/** Parse `#/jobs/2026?state=failed` into {view: "jobs", rest: "2026", query: URLSearchParams}. */
export function read(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  return { view, rest: decoded(rest.join("/")), query: new URLSearchParams(query) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Return the address of a view. */
export function to(view, rest = "", query = {}) {
  const search = new URLSearchParams(query).toString();
  return `#/${view}${rest === "" ? "" : `/${encodeURIComponent(rest)}`}${search ? `?${search}` : ""}`;
}

/** Return the filters in an address: those of `defaults`, where it has no others. */
export function filtersOf(query, defaults) {
  return Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, query.get(name) ?? value]));
}

/** Return the part of an address for filters: those that are not the default. */
export function queryOf(filters, defaults) {
  return Object.fromEntries(Object.entries(filters).filter(([name, value]) => value !== defaults[name]));
}

/** Return how many filters differ from the default, without those of these names. */
export function countFilters(filters, defaults, ...without) {
  return Object.keys(queryOf(filters, defaults)).filter((name) => !without.includes(name)).length;
}

const WRITE_AFTER_MS = 300; // without a change: browsers limit how often an address may change

/**
 * Return the filters of a view, which are texts, and a function that changes some of them. They are part of the address.
 *
 * @param {{view: string, rest: string, query: URLSearchParams}} route
 * @param {Record<string, string>} defaults all filters; the address names those that differ
 * @param {Record<string, string> | null} [before] those of an address without any, instead of the defaults
 * @returns {[Record<string, string>, (fields: Record<string, string>) => void]}
 */
export function useFilters(route, defaults, before = null) {
  const [filters, set] = useState(() => (before && !route.query.size ? { ...before } : filtersOf(route.query, defaults)));
  const own = useRef(route.query.toString()); // the address that these filters came from or went to
  useEffect(() => {
    if (route.query.toString() === own.current) return;
    own.current = route.query.toString(); // a link to other filters, or back
    set(filtersOf(route.query, defaults));
  }, [route.query.toString()]);
  useEffect(() => {
    const query = queryOf(filters, defaults);
    const text = new URLSearchParams(query).toString();
    if (text === own.current) return undefined;
    const timer = setTimeout(() => {
      const now = read(location.hash);
      if (now.view !== route.view || now.rest !== route.rest) return; // the page leaves this view
      own.current = text;
      history.replaceState(history.state, "", to(route.view, route.rest, query));
      dispatchEvent(new Event("hashchange")); // replaceState causes none
    }, WRITE_AFTER_MS);
    return () => clearTimeout(timer);
  }, [JSON.stringify(filters)]);
  return [filters, (fields) => set((known) => ({ ...known, ...fields }))];
}

export function useRoute() {
  const [route, setRoute] = useState(() => read(location.hash));
  useEffect(() => {
    const changed = () => setRoute(read(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

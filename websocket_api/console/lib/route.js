// @ts-check
// The address of a view: behind the # so that links, back and reload work. It contains no secrets.

import { useEffect, useState } from "./html.js";

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

export function useRoute() {
  const [route, setRoute] = useState(() => read(location.hash));
  useEffect(() => {
    const changed = () => setRoute(read(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

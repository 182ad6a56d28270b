// @ts-check
// Where in the console the user is: behind the # of the address, so that links, back and reload work. No secret is there.

import { useEffect, useState } from "./html.js";

/** Read `#/jobs/2026?state=failed` as {view: "jobs", rest: "2026", query: URLSearchParams}. */
export function read(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  return { view: view || "fleet", rest: decoded(rest.join("/")), query: new URLSearchParams(query) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a view. */
export function to(view, rest = "", query = {}) {
  const search = new URLSearchParams(query).toString();
  return `#/${view}${rest === "" ? "" : `/${encodeURIComponent(rest)}`}${search ? `?${search}` : ""}`;
}

export function useRoute() {
  const [route, change] = useState(() => read(location.hash));
  useEffect(() => {
    const moved = () => change(read(location.hash));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return route;
}

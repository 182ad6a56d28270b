// @ts-check
// All views, in the order of the navigation. A view is added by one line.

import { lazy } from "./lazy.js";

/** The view of an address that names none. */
export const FIRST = "fleet";

/**
 * `name` in the address, `title`, `icon` (one character), `key` (shortcut after g), `load`, and `needs`: the operation
 * that the server must have for it.
 */
export const VIEWS = [
  { name: "fleet", title: "Fleet", icon: "▦", key: "f", load: async () => (await import("../views/fleet.js")).FleetView },
  { name: "jobs", title: "Jobs", icon: "☰", key: "j", load: async () => (await import("../views/jobs.js")).JobsView },
  { name: "run", title: "Run", icon: "▶", key: "r", load: async () => (await import("../views/run.js")).RunView },
  { name: "events", title: "Events", icon: "∿", key: "e", load: async () => (await import("../views/events.js")).EventsView },
  { name: "batches", title: "Batches", icon: "▤", key: "b", needs: "list_batches", load: async () => (await import("../views/batches.js")).BatchesView },
  { name: "connection", title: "Connection", icon: "⇄", key: "c", load: async () => (await import("../views/connection.js")).ConnectionView },
].map((view) => ({ needs: null, ...view, View: lazy(view.load) }));

/** Return the views that this server has. */
export function viewsOf(session) {
  return VIEWS.filter(({ needs }) => needs === null || session.has(needs));
}

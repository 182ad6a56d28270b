// @ts-check
// All views, in the order of the navigation. A view is added by one line.

import { lazy } from "./lazy.js";

/** The view of an address that names none. */
export const FIRST = "overview";

/**
 * `name` in the address, `title`, `icon` (one character), `key` (shortcut after g), `docs` (title and path of a page of
 * Salt's documentation), `load`, and `needs`: the operation that the server must have for it.
 */
export const VIEWS = [
  { name: "overview", title: "Overview", icon: "⌂", key: "o", load: async () => (await import("../views/overview.js")).OverviewView },
  { name: "fleet", title: "Fleet", icon: "▦", key: "f", docs: ["Targets", "topics/targeting/index.html"], load: async () => (await import("../views/fleet.js")).FleetView },
  { name: "jobs", title: "Jobs", icon: "☰", key: "j", docs: ["Jobs", "topics/jobs/index.html"], load: async () => (await import("../views/jobs.js")).JobsView },
  { name: "run", title: "Run", icon: "▶", key: "r", docs: ["All functions", "ref/modules/all/index.html"], load: async () => (await import("../views/run.js")).RunView },
  { name: "events", title: "Events", icon: "∿", key: "e", docs: ["The event system", "topics/event/index.html"], load: async () => (await import("../views/events.js")).EventsView },
  { name: "batches", title: "Batches", icon: "▤", key: "b", docs: ["Batches", "topics/targeting/batch.html"], needs: "list_batches", load: async () => (await import("../views/batches.js")).BatchesView },
  { name: "connection", title: "Connection", icon: "⇄", key: "c", docs: ["Access control", "topics/eauth/access_control.html"], load: async () => (await import("../views/connection.js")).ConnectionView },
].map((view) => ({ needs: null, docs: null, ...view, View: lazy(view.load) }));

/** Return the views that this server has. */
export function viewsOf(session) {
  return VIEWS.filter(({ needs }) => needs === null || session.has(needs));
}

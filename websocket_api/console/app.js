// @ts-check
// The page: the login, or the frame with the view that the address names.

import { html, render, useEffect, useMemo, useState } from "./lib/html.js";
import { useStore } from "./lib/hooks.js";
import { loadTheRest } from "./lib/lazy.js";
import { useRoute } from "./lib/route.js";
import { StartedJobs, endOf } from "./lib/started.js";
import { FIRST, viewsOf } from "./lib/views.js";
import { visible } from "./lib/visible.js";
import { ConnectionNotice, Header, Navigation } from "./parts/header.js";
import { Login } from "./parts/login.js";
import { Overlays } from "./parts/overlays.js";
import { ToastList, Toasts, notifications } from "./parts/toasts.js";
import { BatchesStore } from "./stores/batches.js";
import { EventsStore } from "./stores/events.js";
import { FleetStore } from "./stores/fleet.js";
import { FunctionsStore } from "./stores/functions.js";
import { JobsStore } from "./stores/jobs.js";

const FLEET_AFTER_MS = 500; // that a job's page gets for its returns, which can be megabytes as the fleet can

/** Draw the page into an element. `restored` resolves when a stored login was tried, with the fault if it failed. */
export function show(element, props) {
  element.replaceChildren();
  render(html`<${App} ...${props} />`, element);
}

function App({ session, connection, restored }) {
  useStore(session, 0);
  useStore(connection, 50);
  const [restoring, setRestoring] = useState(true);
  const [fault, setFault] = useState(null);
  useEffect(() => {
    restored.then((found) => {
      setFault(found);
      setRestoring(false);
    });
  }, []);
  const out = !restoring && (connection.state === "out" || session.user === null || session.loggingIn);
  const again = out && session.user !== null;
  return html`
    ${session.user && html`<${Page} key=${session.number} session=${session} connection=${connection} behind=${out} />`}
    ${!session.user && restoring && html`<p class="restoring" role="status">connecting …</p>`}
    ${out && html`<${Login} session=${session} reason=${connection.reason || fault?.message} again=${again} />`}
  `;
}

function Page({ session, connection, behind }) {
  const route = useRoute();
  const stores = useStores(session, connection, route);
  const [overlay, setOverlay] = useState(""); // palette, help or none
  const views = viewsOf(session);
  const { name, title, View } = views.find((one) => one.name === route.view) ?? views.find((one) => one.name === FIRST);
  useEffect(() => void loadTheRest(), []);
  useEffect(() => {
    document.title = visible(`${title} · ${session.server.master.id}`); // several masters have several tabs
  }, [title, session.server]);
  return html`<div class="page" inert=${behind ? true : undefined} aria-hidden=${behind ? "true" : undefined}>
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Header} session=${session} connection=${connection} open=${setOverlay} />
    <${ConnectionNotice} connection=${connection} />
    <div class="body">
      <${Navigation} views=${views} name=${name} />
      <main id="main" tabindex="-1"><${View} ...${{ session, connection, route, ...stores }} /></main>
    </div>
    <${ToastList} toasts=${stores.toasts} />
    ${!behind && html`<${Overlays} overlay=${overlay} open=${setOverlay} views=${views} session=${session} stores=${stores} />`}
  </div>`;
}

/** Create what outlives a view, for one user. */
function useStores(session, connection, route) {
  const stores = useMemo(() => {
    const isOneJob = route.view === "jobs" && route.rest !== "";
    const fleet = new FleetStore(connection, isOneJob ? FLEET_AFTER_MS : 0);
    fleet.whenComplete(() => session.readWheels());
    const toasts = new Toasts();
    const started = new StartedJobs(connection, (job) => report(job, toasts));
    const functions = new FunctionsStore(connection, fleet);
    const jobs = new JobsStore(connection, fleet);
    const batches = session.has("list_batches") ? new BatchesStore(connection, jobs) : null;
    return { kept: keeper(), toasts, started, fleet, functions, jobs, events: new EventsStore(connection), batches, form: {} };
  }, []);
  useEffect(
    () => () => {
      for (const store of [stores.fleet, stores.jobs, stores.events, stores.started, stores.batches]) store?.stop();
    },
    [],
  );
  return stores;
}

/** Report the end of a job that the user started, unless its page is shown. */
function report(job, toasts) {
  const end = endOf(job);
  notifications.show(end);
  if (location.hash.split("?")[0] !== end.href) toasts.add(end);
}

/** Return a function that makes what a view needs once, by its name, and keeps it for the next time. */
function keeper() {
  const all = new Map();
  return (name, make) => {
    if (!all.has(name)) all.set(name, make());
    return all.get(name);
  };
}

function skip(event) {
  event.preventDefault(); // the part behind # is the route
  document.getElementById("main").focus();
}

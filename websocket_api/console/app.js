// @ts-check
// The frame of the page: who is logged in, how the connection is, and the view that the address names.

import { html, render, useEffect, useMemo, useState } from "./lib/html.js";
import { to, useRoute } from "./lib/route.js";
import { useStore } from "./lib/store.js";
import { Login } from "./parts/login.js";
import { Trouble } from "./parts/trouble.js";
import { BatchesStore } from "./stores/batches.js";
import { EventsStore } from "./stores/events.js";
import { FleetStore } from "./stores/fleet.js";
import { JobsStore } from "./stores/jobs.js";
import { BatchesView } from "./views/batches.js";
import { ConnectionView } from "./views/connection.js";
import { EventsView } from "./views/events.js";
import { FleetView } from "./views/fleet.js";
import { JobsView } from "./views/jobs.js";
import { RunView } from "./views/run.js";

const VIEWS = {
  fleet: ["Fleet", FleetView],
  jobs: ["Jobs", JobsView],
  run: ["Run", RunView],
  events: ["Events", EventsView],
  batches: ["Batches", BatchesView],
  connection: ["Connection", ConnectionView],
};
const WORDS = {
  open: "connected",
  connecting: "connecting …",
  waiting: "connection lost, trying again …",
  refused: "refused",
  out: "logged out",
};

/** Draw the page into an element; `taken` resolves when the kept login was taken up, with what hindered it. */
export function show(element, props) {
  element.replaceChildren();
  render(html`<${App} ...${props} />`, element);
}

function App({ session, connection, taken }) {
  useStore(session, 0);
  useStore(connection, 50);
  const [taking, take] = useState(true);
  const [fault, tell] = useState(null);
  useEffect(() => {
    taken.then((hindered) => {
      tell(hindered);
      take(false);
    });
  }, []);
  const out = !taking && (connection.state === "out" || session.user === null || session.entering);
  const again = out && session.user !== null;
  return html`
    ${session.user && html`<${Inside} key=${session.number} session=${session} connection=${connection} behind=${out} />`}
    ${!session.user && taking && html`<p class="taking" role="status">connecting …</p>`}
    ${out && html`<${Login} session=${session} reason=${connection.reason || fault?.message} again=${again} />`}
  `;
}

function Inside({ session, connection, behind }) {
  const stores = useStores(session, connection);
  const route = useRoute();
  const view = VIEWS[route.view] && (route.view !== "batches" || stores.batches) ? route.view : "fleet";
  const [title, View] = VIEWS[view];
  useEffect(() => {
    document.title = `${title} · Salt console`; // our own words
    toTheMiddle(document.querySelector("nav"), document.querySelector("nav [aria-current]"));
  }, [title]);
  return html`<div class="page" inert=${behind ? true : undefined} aria-hidden=${behind ? "true" : undefined}>
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header>
      <span class="brand">Salt</span>
      <nav aria-label="Views">
        ${Object.entries(VIEWS).map(
          ([name, [text]]) =>
            (name !== "batches" || stores.batches) && html`<a key=${name} href=${to(name)} aria-current=${name === view ? "page" : undefined}>${text}</a>`,
        )}
      </nav>
      <span role="status"><a class="wire ${connection.state}" href=${to("connection")}><span aria-hidden="true">●</span> ${WORDS[connection.state]}</a></span>
      <span class="who">${session.user.user}</span>
      <button type="button" onClick=${() => session.logOut()}>Log out</button>
    </header>
    <${Trouble} connection=${connection} />
    <main id="main" tabindex="-1"><${View} ...${{ session, connection, route, ...stores }} /></main>
  </div>`;
}

/** Everything that outlives a view, for one user. */
function useStores(session, connection) {
  const stores = useMemo(() => {
    const fleet = new FleetStore(connection);
    const stop = fleet.listen(() => {
      if (!fleet.whole) return;
      stop();
      session.readWheels();
    });
    const batches = session.has("list_batches") ? new BatchesStore(connection) : null;
    return { fleet, jobs: new JobsStore(connection, fleet), events: new EventsStore(connection), batches, form: {} };
  }, []);
  useEffect(
    () => () => {
      stores.fleet.stop();
      stores.jobs.stop();
      stores.events.stop();
      stores.batches?.stop();
    },
    [],
  );
  return stores;
}

/** On a narrow screen the names of the views scroll sideways. (scrollIntoView would also move where Tab goes on.) */
function toTheMiddle(box, element) {
  const [around, inside] = [box.getBoundingClientRect(), element.getBoundingClientRect()];
  box.scrollLeft += inside.left + inside.width / 2 - (around.left + around.width / 2);
}

function skip(event) {
  event.preventDefault(); // the part behind # is ours
  document.getElementById("main").focus();
}

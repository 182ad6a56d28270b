// @ts-check
// Components whose modules load when they are first shown, or in the background after the first view.

import { html, useEffect, useState } from "./html.js";

const loads = []; // of all lazy components
const FIRST_MS = 2000; // in which the first view reads its data, which can be megabytes

/**
 * Return a component that loads its module when it is first shown, or by its function `load` before that.
 *
 * @param {() => Promise<any>} load resolves with the component, such as
 *     `async () => (await import("../views/jobs.js")).JobsView`
 */
export function lazy(load) {
  let component = null;
  let loading = null;
  const once = () => {
    loading ??= load().then(
      (found) => (component = found),
      (fault) => {
        loading = null; // so that the next attempt loads it again
        throw fault;
      },
    );
    return loading;
  };
  loads.push(once);
  function Lazy(props) {
    const [, draw] = useState(0);
    const [failed, setFailed] = useState(false);
    const attempt = () => {
      setFailed(false);
      once().then(
        () => draw((count) => count + 1),
        () => setFailed(true),
      );
    };
    useEffect(() => {
      if (!component) attempt();
    }, []);
    if (component) return html`<${component} ...${props} />`;
    return failed ? html`<${Failed} again=${attempt} />` : html`<p class="loading" role="status">loading …</p>`;
  }
  Lazy.load = once;
  return Lazy;
}

function Failed({ again }) {
  return html`<div class="fault" role="alert">
    <p><strong>This part of the page could not be loaded.</strong> Try again when the server answers. If that fails, reload the page.</p>
    <button type="button" onClick=${again}>Try again</button> <button type="button" onClick=${() => location.reload()}>Reload the page</button>
  </div>`;
}

/**
 * Load what was not shown yet, one after the other, while the browser has nothing else to do. From then on a view opens
 * at once and without the server, and modules of another release cannot mix with those of this page.
 */
export async function loadTheRest() {
  await new Promise((resolve) => setTimeout(resolve, FIRST_MS));
  for (const load of loads) {
    await new Promise((resolve) => (globalThis.requestIdleCallback ?? setTimeout)(resolve));
    await load().catch(() => {}); // it is loaded again when it is shown, and reports the fault there
  }
}

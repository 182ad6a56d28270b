// Where the page begins.

import { html, render } from "./vendor/htm-preact.js";
import { App } from "./app.js";
import { Connection } from "./lib/connection.js";
import { Session } from "./lib/session.js";

const address = new URL("../ws", location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
address.hash = "";

const connection = new Connection(address.href);
const session = new Session(connection);
const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} session=${session} connection=${connection} />`, root);

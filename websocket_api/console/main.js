// @ts-check
// The start of the page. A stored login connects while the other modules load.

import { Connection } from "./client/index.js";
import { Session } from "./lib/session.js";

const address = new URL("../ws", location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
address.hash = "";

const connection = new Connection(address.href);
const session = new Session(connection);
const restored = session.restore().then(() => null, (fault) => fault);
const { show } = await import("./app.js");
show(document.getElementById("app"), { session, connection, restored });

// @ts-check
// The start of the page. A stored login connects while the other modules load.

import { Session } from "./lib/session.js";
import { ReportingConnection } from "./lib/started.js";
import { theme } from "./lib/theme.js";

theme.apply();
const address = new URL("../ws", location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
address.hash = "";

const connection = new ReportingConnection(address.href);
const session = new Session(connection);
const restored = session.restore().then(() => null, (fault) => fault);
const { show } = await import("./app.js");
show(document.getElementById("app"), { session, connection, restored });

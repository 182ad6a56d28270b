// @ts-check
// The start of the page. A stored login connects while the other modules load.

import { read } from "./lib/route.js";
import { Session } from "./lib/session.js";
import { ReportingConnection } from "./lib/started.js";
import { theme } from "./lib/theme.js";
import { VIEWS } from "./lib/views.js";

theme.apply();
const address = new URL("../ws", location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
address.hash = "";

const connection = new ReportingConnection(address.href);
const session = new Session(connection);
// The view loads meanwhile; a fault is reported where it is shown.
VIEWS.find(({ name }) => name === read(location.hash).view)?.View.load().catch(() => {});
const restored = session.restore().then(() => null, (fault) => fault);
const { show } = await import("./app.js");
show(document.getElementById("app"), { session, connection, restored });

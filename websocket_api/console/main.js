// @ts-check
// Where the page begins: who stays logged in is connected while the rest of the page is still on its way.

import { Connection } from "./lib/connection.js";
import { Session } from "./lib/session.js";

const address = new URL("../ws", location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
address.hash = "";

const connection = new Connection(address.href);
const session = new Session(connection);
const taken = session.takeUp().then(() => null, (fault) => fault);
const { show } = await import("./app.js");
show(document.getElementById("app"), { session, connection, taken });

// Watch minions and jobs with the JavaScript client: `node --experimental-websocket live_fleet.mjs [COUNT]`.
// It ends after COUNT changes of jobs if given. Node.js 22 and later need no option.

import { jobs, minions } from "../clients/javascript/collections.js";
import { Connection } from "../clients/javascript/index.js";

const url = (process.env.SALT_URL ?? "http://127.0.0.1:8000").replace(/^http/, "ws");
const account = {
    username: process.env.SALT_USER ?? "demo",
    password: process.env.SALT_PASSWORD ?? "demo",
    ...(process.env.SALT_EAUTH ? { eauth: process.env.SALT_EAUTH } : {}),
};

const connection = new Connection(`${url}/ws`);
try {
    await connection.logIn(account);
} catch (fault) {
    console.error(`${fault.code}: ${fault.message}`);
    process.exit(1);
}
connection.listen(() => {
    if (connection.state === "waiting") console.log("connection lost; connecting again");
});

// Other parts of a program can subscribe to these collections, too: the connection has one subscription for each.
const fail = (fault) => {
    console.error(`${fault.code}: ${fault.message}`);
    process.exit(1);
};
minions(connection).subscribe((all) => {
    const up = [...all.values()].filter((minion) => minion.connected);
    console.log(`${up.length} of ${all.size} minions are connected`);
}, fail);

const wanted = Number(process.argv[2] ?? Infinity);
const shown = new Map();
let seen = 0;
jobs(connection).subscribe((all) => {
    for (const [jid, job] of all) {
        const text = `${job.state} ${job.fun}: ${job.done} of ${job.total} returned`;
        if (shown.get(jid) === text) continue;
        shown.set(jid, text);
        console.log(jid, text);
        seen += 1;
    }
    if (seen >= wanted) process.exit(0);
}, fail);

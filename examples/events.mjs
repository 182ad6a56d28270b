// Follow the event bus over plain HTTP: `node events.mjs [COUNT]`; it ends after COUNT events if given.

const url = process.env.SALT_URL ?? "http://127.0.0.1:8000";
const account = {
    username: process.env.SALT_USER ?? "demo",
    password: process.env.SALT_PASSWORD ?? "demo",
    ...(process.env.SALT_EAUTH ? { eauth: process.env.SALT_EAUTH } : {}),
};

/** Log in and return the token. */
async function logIn() {
    const reply = await fetch(`${url}/login`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(account),
    });
    if (!reply.ok) throw new Error(`login failed: ${reply.status} ${await reply.text()}`);
    return (await reply.json()).return[0].token;
}

/** Yield each event as `{tag, data}`. */
async function* events(token) {
    const reply = await fetch(`${url}/events`, { headers: { "X-Auth-Token": token, Accept: "text/event-stream" } });
    if (!reply.ok) throw new Error(`cannot follow events: ${reply.status}`);
    let text = "";
    for await (const chunk of reply.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        const records = text.split("\n\n");
        text = records.pop();
        for (const record of records) {
            const data = record.split("\n").find((line) => line.startsWith("data: "));
            if (data) yield JSON.parse(data.slice("data: ".length));
        }
    }
}

const wanted = Number(process.argv[2] ?? Infinity);
let seen = 0;
for await (const { tag, data } of events(await logIn())) {
    console.log(tag, JSON.stringify(data.data ?? data));
    seen += 1;
    if (seen >= wanted) break;
}
process.exit(0);

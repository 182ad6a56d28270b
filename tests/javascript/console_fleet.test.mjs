// The fleet's store: filters, order, facets, selection; and calls that change keys.

import assert from "node:assert/strict";
import { test } from "node:test";

import { fingerOf, keyCall, keysWith } from "../../websocket_api/console/lib/keys.js";
import { differences, parseReference } from "../../websocket_api/console/lib/reference.js";
import { FleetStore } from "../../websocket_api/console/stores/fleet.js";

const MINIONS = {
  web10: { id: "web10", key: "accepted", connected: true, seen: "2026-11-30T04:00:00Z", grains: { os: "Debian", saltversion: "3007.10" } },
  web2: { id: "web2", key: "accepted", connected: false, seen: null, grains: { os: "Ubuntu", saltversion: "3007.9" } },
  db: { id: "db", key: "pending", connected: null, seen: null, grains: null },
  "dummy-01": { id: "dummy-01", key: null, connected: null, seen: "2026-11-30T04:00:05Z", grains: null, resource: { type: "dummy", minion: "web10" } },
};

function fleetOf(t, minions = MINIONS) {
  globalThis.localStorage = { getItem: () => null, setItem() {} };
  t.after(() => delete globalThis.localStorage);
  let send;
  const follow = (_, onFrame) => {
    send = onFrame;
    return { stop() {} };
  };
  const fleet = new FleetStore({ follow });
  send({ type: "begin" });
  send({ type: "minions", minions });
  send({ type: "live" });
  return fleet;
}

const ids = (fleet, filters) => fleet.find(filters).map((minion) => minion.id);

test("minions are sorted by a column, numbers in names by their value, and missing values come last", (t) => {
  const fleet = fleetOf(t);
  fleet.noteJob("web2", { jid: "1", fun: "test.ping", state: "returned" });
  assert.deepEqual(ids(fleet, {}), ["db", "dummy-01", "web2", "web10"]);
  assert.deepEqual(ids(fleet, { sort: "-name" }), ["web10", "web2", "dummy-01", "db"]);
  assert.deepEqual(ids(fleet, { sort: "grain-saltversion" }), ["web2", "web10", "db", "dummy-01"]);
  assert.deepEqual(ids(fleet, { sort: "-grain-saltversion" }), ["web10", "web2", "db", "dummy-01"]);
  assert.deepEqual(ids(fleet, { sort: "seen" }), ["dummy-01", "web10", "db", "web2"]);
  assert.deepEqual(ids(fleet, { sort: "status" }), ["web10", "db", "dummy-01", "web2"]);
  assert.deepEqual(ids(fleet, { sort: "-last" })[0], "web2");
  for (const sort of ["no such column", "__proto__", "-constructor"]) assert.equal(ids(fleet, { sort }).length, 4, sort);
});

test("minions stay sorted when they change, come and go", (t) => {
  const fleet = fleetOf(t);
  const apply = (minions) => fleet.apply({ type: "minions", minions });
  const columns = ["name", "-name", "status", "-grain-os"];
  for (let round = 0; round < 40; round += 1) {
    apply({ [`web${(round * 7) % 30}`]: { ...MINIONS.web2, id: `web${(round * 7) % 30}`, connected: round % 3 === 0, grains: { os: `os ${(round * 5) % 11}` } } });
    if (round % 4 === 0) apply({ [`web${(round * 3) % 30}`]: null });
    const sort = columns[Math.floor(round / 10)];
    const fresh = fleetOf(t, Object.fromEntries(fleet.minions));
    for (const kind of ["all", "down"]) assert.deepEqual(ids(fleet, { sort, kind }), ids(fresh, { sort, kind }), `${round} ${sort} ${kind}`);
  }
});

test("filters must all match, and facets count all minions", (t) => {
  const fleet = fleetOf(t);
  assert.deepEqual(ids(fleet, { os: "Debian" }), ["web10"]);
  assert.deepEqual(ids(fleet, { salt: "3007.9", kind: "down" }), ["web2"]);
  assert.deepEqual(ids(fleet, { kind: "resources" }), ["dummy-01"]);
  assert.deepEqual(ids(fleet, { kind: "keys", search: "D" }), ["db"]);
  assert.deepEqual(ids(fleet, { kind: "keys", key: "accepted" }), ["web2", "web10"]);
  assert.deepEqual(ids(fleet, { kind: "all", key: "accepted" }).length, 4);
  assert.deepEqual(fleet.facets, { os: [["Debian", 1], ["Ubuntu", 1]], salt: [["3007.10", 1], ["3007.9", 1]] });
  assert.deepEqual(fleet.counts, { all: 4, up: 1, down: 1, keys: 1, resources: 1 });
});

test("a connection that resumes sends only the minions that changed", (t) => {
  const fleet = fleetOf(t);
  for (const frame of [{ type: "begin", recovered: true }, { type: "minions", minions: { db: null } }, { type: "live" }]) fleet.apply(frame);
  assert.deepEqual(ids(fleet, {}), ["dummy-01", "web2", "web10"]);
});

test("minions that are gone are not selected any more", (t) => {
  const fleet = fleetOf(t);
  fleet.select(["web2", "db", "gone"], true);
  fleet.select(["db"], false);
  assert.deepEqual(fleet.selection.map((minion) => minion.id), ["web2"]);
});

test("five thousand minions are filtered and sorted once for each change", (t) => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`m${at}`, { ...MINIONS.web2, id: `m${at}` }]));
  const fleet = fleetOf(t, many);
  const first = fleet.find({ sort: "-name" });
  assert.equal(first[0].id, "m4999");
  assert.equal(fleet.find({ sort: "-name" }), first);
  assert.equal(fleet.facets, fleet.facets);
});

test("keys are changed by their exact ids, in the lists in which they are", () => {
  const wheels = ["key.accept_dict", "key.reject_dict", "key.delete_dict"];
  const keys = [{ id: "a*", key: "pending" }, { id: "b", key: "accepted" }, { id: "c", key: "rejected" }, { id: "d", key: "denied" }, { id: "r", key: null }];
  assert.deepEqual(keyCall("accept", keys, wheels), {
    method: "key.accept_dict",
    kwargs: { match: { minions_pre: ["a*"], minions_rejected: ["c"], minions_denied: ["d"] }, include_denied: true, include_rejected: true },
    ids: ["a*", "c", "d"],
  });
  assert.deepEqual(keyCall("reject", keys.slice(0, 2), wheels).kwargs, { match: { minions_pre: ["a*"], minions: ["b"] }, include_accepted: true });
  assert.deepEqual(keyCall("delete", keys, wheels).kwargs, { match: { minions_pre: ["a*"], minions: ["b"], minions_rejected: ["c"], minions_denied: ["d"] } });
  assert.equal(keyCall("accept", keys.slice(1, 2), wheels), null);
  assert.equal(keyCall("delete", keys, ["key.accept_dict"]), null);
});

test("a fingerprint is compared whatever its form", () => {
  const finger = "12:ab:cd:ef:".repeat(8).slice(0, -1);
  const plain = finger.replaceAll(":", "");
  for (const text of [finger, finger.toUpperCase(), plain, ` ${finger}\n`, `local:\n    ${finger}`, `SHA256: ${finger}`]) {
    assert.equal(fingerOf(text.replace(/^local:\s+/, "")), plain, text);
  }
  for (const text of ["", "hello", "12:ab", "zz".repeat(32)]) assert.equal(fingerOf(text), "", text);
  const fingers = { minions: { a: finger, b: "no" }, minions_pre: { c: plain }, minions_denied: { a: [finger.replace("1", "2"), plain] }, local: null };
  assert.deepEqual(keysWith(finger, fingers), [{ id: "a", list: "minions" }, { id: "c", list: "minions_pre" }, { id: "a", list: "minions_denied" }]);
  assert.deepEqual(keysWith("", fingers), []);
});

test("a list of the minions that should exist is compared with those of the master", () => {
  const reference = parseReference("# inventory\n\nweb10 false\r\nweb2,TRUE\n  db\nold maybe\n");
  assert.deepEqual([...reference], [["web10", false], ["web2", true], ["db", null], ["old", null]]);
  const table = [
    ["# inventory\nweb10 false\nweb2\ndb\nold", { missing: ["old"], "without an accepted key": ["db"], "down, should be up": ["web2"], "up, should be down": ["web10"] }],
    ["web10\nweb2 false", { "not in the list": ["db"] }],
    ["web10\nweb2 false\ndb", { "without an accepted key": ["db"] }],
  ];
  for (const [text, expected] of table) {
    const found = Object.entries(differences(parseReference(text), Object.values(MINIONS))).filter(([, ids]) => ids.length);
    assert.deepEqual(Object.fromEntries(found), expected, text);
  }
});

test("minions are filtered and sorted by their master", (t) => {
  const minion = (id, master) => ({ id, key: null, connected: true, seen: null, grains: null, ...(master ? { master } : {}) });
  const fleet = fleetOf(t, { a: minion("a", "m2"), b: minion("b", "m1"), c: minion("c", "m2"), d: minion("d") });
  assert.deepEqual(ids(fleet, { master: "m2" }), ["a", "c"]);
  assert.deepEqual(ids(fleet, { master: "unknown" }), []);
  assert.deepEqual(ids(fleet, { sort: "master" }), ["b", "a", "c", "d"]);
});

test("a view that does not show the fleet reads its own data first", (t) => {
  globalThis.localStorage = { getItem: () => null, setItem() {} };
  t.after(() => delete globalThis.localStorage);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let follows = 0;
  const follow = () => {
    follows += 1;
    return { stop: () => (follows -= 1) };
  };
  const fleet = new FleetStore({ follow }, 500);
  t.mock.timers.tick(499);
  assert.equal(follows, 0);
  t.mock.timers.tick(1);
  assert.equal(follows, 1);
  const left = new FleetStore({ follow }, 500);
  left.stop(); // another user logs in
  t.mock.timers.tick(500);
  assert.equal(follows, 1);
  fleet.stop();
  assert.equal(follows, 0);
});

test("what needs the whole fleet waits for its snapshot", (t) => {
  const fleet = fleetOf(t);
  let done = 0;
  fleet.whenComplete(() => (done += 1));
  assert.equal(done, 1);
  fleet.apply({ type: "begin" }); // a new connection
  fleet.whenComplete(() => (done += 1));
  fleet.apply({ type: "minions", minions: MINIONS });
  assert.equal(done, 1);
  fleet.apply({ type: "live" });
  fleet.apply({ type: "minions", minions: MINIONS });
  assert.equal(done, 2);
});

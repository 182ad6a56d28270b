// The event view: search, times, columns by path, links to jobs, and the export.

import assert from "node:assert/strict";
import { test } from "node:test";

import { asLines, jidOf, pathsOf, searcher, timed, valueAt } from "../../websocket_api/console/lib/event_filters.js";
import { EventsStore } from "../../websocket_api/console/stores/events.js";

const JID = "20141103073312975821";

test("an event matches if its tag, minion and data have all words", () => {
  const event = { tag: "salt/job/1/ret/web1", minion: "web1", data: { fun: "Test.Ping", return: { deep: ["needle"] } } };
  const table = [["", true], ["ret needle", true], ["test.ping WEB1", true], ["needle nothing", false]];
  for (const [search, expected] of table) assert.equal(searcher(search)(event), expected, search);
  assert.equal(searcher("nothing")({ gap: {}, tag: "", data: null }), true);
  const matches = searcher("needle");
  assert.deepEqual([matches(event), matches(event)], [true, true]); // the second time from memory
});

test("times limit the events that have one", () => {
  const at = (time) => ({ time });
  const noon = Date.parse("2014-11-03T12:00:00");
  const table = [["", "", noon, true], ["2014-11-03T12:00", "", noon, true], ["2014-11-03T12:01", "", noon, false], ["", "2014-11-03T11:59", noon, false], ["no time", "none", noon, true], ["2014-11-03T12:01", "", null, true]];
  for (const [from, to, time, expected] of table) assert.equal(timed(from, to)(at(time)), expected, `${from} ${to}`);
});

test("columns are paths into the data, and nothing else is followed", () => {
  assert.deepEqual(pathsOf(" fun, id  return.pid,fun "), ["fun", "id", "return.pid"]);
  assert.equal(pathsOf("a b c d e f g h").length, 6);
  const data = { fun: "x", return: { pid: 7, list: ["a", "b"] }, none: null };
  const table = [["fun", "x"], ["return.pid", 7], ["return.list.1", "b"], ["none", null], ["none.x", undefined], ["fun.length", undefined], ["toString", undefined], ["__proto__", undefined], ["", undefined]];
  for (const [path, expected] of table) assert.equal(valueAt(data, path), expected, path);
  assert.equal(valueAt(null, "a"), undefined);
});

test("tags of jobs, runners and wheel functions lead to them", () => {
  const table = [[`salt/job/${JID}/ret/web1`, JID], [`salt/run/${JID}/new`, JID], [`salt/wheel/${JID}_7/ret`, `${JID}_7`], ["salt/job/1/new", null], [`my/salt/job/${JID}/new`, null], [`salt/job/${JID}x/new`, null], [`salt/job/${JID}`, JID]];
  for (const [tag, expected] of table) assert.equal(jidOf(tag), expected, tag);
});

test("the export has one JSON object on each line, without gaps", () => {
  const events = [
    { seq: 1, time: 0, tag: "a", data: { text: "two\nlines", big: 12345678901234567890n }, key: 1, size: 3 },
    { seq: null, gap: {}, time: 1, tag: "", data: null },
    { seq: 2, time: null, tag: "b", data: null, minion: "web1", master: "m2" },
  ];
  const lines = asLines(events).split("\n");
  assert.equal(lines.pop(), "");
  assert.deepEqual(lines.map((line) => JSON.parse(line)), [
    { seq: 1, time: "1970-01-01T00:00:00.000Z", tag: "a", data: { text: "two\nlines", big: "12345678901234567890" } },
    { seq: 2, time: null, tag: "b", data: null, minion: "web1", master: "m2" },
  ]);
  assert.equal(asLines([]), "");
});

test("the whole history begins at its first event, and the newest ones a bit before now", () => {
  const followed = [];
  const follow = (fields) => {
    followed.push(fields);
    return { stop() {}, since: null };
  };
  const connection = { follows: { epoch: "e", seq: 2000 }, follow };
  const events = new EventsStore(connection);
  events.start();
  events.setFilter({ tag: "a", match_type: "find", history: true });
  assert.deepEqual(followed.map(({ since, tag }) => [since.seq, tag]), [[1500, undefined], [0, "a"]]);
});

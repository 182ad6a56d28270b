// @ts-check
// Ask one minion by running a function on it, with the user's own permissions.

import { brief } from "./text.js";

const PATIENCE_S = 30; // that a minion may take to answer

/**
 * Run a function on one minion, and return what it returned.
 *
 * @param {any} connection
 * @param {string} id of the minion, or of a resource
 * @param {string} fun
 * @param {{arg?: any[], kwarg?: object, timeout?: number}} [call]
 * @returns {Promise<{value: any, jid: string}>}
 * @throws {{message: string, code?: string, jid?: string}} why there is no value, for people
 */
export async function ask(connection, id, fun, { arg = [], kwarg = {}, timeout = PATIENCE_S } = {}) {
  let job;
  try {
    job = await connection.request("cmd", { fun, arg, kwarg, tgt: [id], tgt_type: "list", mode: "sync", timeout });
  } catch (fault) {
    throw fault.code === "forbidden" ? refused(fun, id) : fault;
  }
  return { value: returnOf(job, id, fun, timeout), jid: job.jid };
}

/** Return what a minion returned, or throw why it did not. */
export function returnOf(job, id, fun, timeout) {
  const part = job.minions[id];
  const { jid } = job;
  // Salt leaves out the minions on which a user may not run it.
  if (!part) throw refused(fun, id);
  if (part.state === "returned") return part.return;
  if (part.state === "failed") throw { message: `${fun} failed: ${brief(part.return, 400)}`, jid };
  if (part.state === "canceled") throw { message: `${fun} was canceled before ${id} returned`, jid };
  if (part.state === "missing") throw { message: `${id} did not answer. Check that it is up and that its salt-minion service runs`, jid };
  throw { message: `${id} has not answered within ${timeout} s. Its job goes on`, jid };
}

function refused(fun, id) {
  return { message: `You may not run ${fun} on ${id}`, code: "forbidden" };
}

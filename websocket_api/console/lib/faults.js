// @ts-check
// Errors in words for the user: what happened, then what to do.

const FIXES = {
  unauthenticated: "Check the user name, the password and the backend.",
  token_expired: "Log in again.",
  forbidden: "Ask an administrator of this master for the permission.",
  not_found: "It may have expired.",
  no_minions: "Check the target; its preview shows the minions that it matches.",
  unknown_function: "Check the spelling and the arguments; the field Function completes names.",
  too_large: "Choose fewer minions or shorter values.",
  too_many: "Try again in a few seconds.",
  timeout: "It may still take effect: look under Jobs before you run it again.",
  master_unavailable: "Try again when the Salt master answers.",
  internal: "Try again; the master's log has the details.",
  connection_lost: "Look under Jobs whether it ran before you run it again.",
};

/** Return {text, fix, details} of a fault or another error; `details` are faults that the text does not name. */
export function faultText({ message, code, details }) {
  const first = message.charAt(0).toUpperCase() + message.slice(1);
  const listed = Array.isArray(details) ? details.filter((one) => one?.message && !message.includes(one.message)) : [];
  return {
    text: /[.!?…]$/.test(first) ? first : `${first}.`,
    fix: FIXES[code] ?? "",
    details: listed.map((one) => `${one.path ? `${one.path} ` : ""}${one.message}`),
  };
}

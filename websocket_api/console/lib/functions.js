// @ts-check
// Whether a function only reads, by its name, and whether it has a test mode.

/** Modules that only read, and functions of other modules that do. Any other function may change something. */
const READING_MODULES = new Set(["test", "sys", "status", "pillar", "jobs", "match"]);
const READING = new Set([
  "cache.grains", "cache.mine", "cache.pillar", "cmd.has_exec", "cmd.which", "config.values", "cp.hash_file",
  "cp.list_master", "cp.list_minion", "cp.list_states", "cp.stat_file", "disk.inodeusage",
  "disk.percent", "disk.usage", "file.access", "file.check_hash", "file.contains", "file.directory_exists", "file.diskusage", "file.file_exists",
  "file.find", "file.grep", "file.readdir", "file.read", "file.search", "file.stats", "grains.equals", "grains.fetch",
  "grains.items", "grains.item", "grains.ls", "key.finger", "key.finger_master",
  "manage.alived", "manage.allowed", "manage.joined", "manage.not_alived", "manage.not_present", "manage.present", "manage.up", "minions.connected", "network.arp", "network.connect",
  "network.dig", "network.hw_addr", "network.hwaddr", "network.ifacestartswith", "network.in_subnet", "network.interface", "network.interface_ip",
  "network.interfaces", "network.ip_addrs", "network.ip_addrs6", "network.ipaddrs", "network.ipaddrs6", "network.netstat", "network.ping",
  "network.routes", "network.subnets", "network.traceroute", "pkg.available_version", "pkg.latest_version", "saltutil.find_cached_job",
  "saltutil.find_job", "saltutil.running", "service.available", "service.enabled", "service.disabled", "service.missing", "user.info",
  "user.primary_group",
]);
const READING_NAMES = /^(get|list|show|is|has|info|status|version)(_|$)|^(versions|getent|uptime)$|_(exists|version|versions|info)$/;
const CHANGING_NAMES = /(^|_)(or|set|create|add|remove|delete)(_|$)/; // such as grains.get_or_set_hash
const CHANGING_MODULES = new Set(["cp", "file", "http", "vault"]); // their `get` and `list` may write files or call other servers

/** Return whether running `fun` may change something, which is asked about before it runs. */
export function changesState(fun) {
  if (READING.has(fun)) return false;
  const [module, ...rest] = fun.split(".");
  if (READING_MODULES.has(module)) return false;
  const name = rest.join(".");
  return CHANGING_MODULES.has(module) || CHANGING_NAMES.test(name) || !READING_NAMES.test(name);
}

const STATES = /^state\.(apply|sls|highstate)$/;
const TESTABLE = /^state\.(apply|sls|sls_id|highstate|high|low|single|template|template_str|top)$/;

/** Return whether the minion can report each state of `fun` as it runs. */
export function reportsStates(fun) {
  return STATES.test(fun);
}

const WITH_PILLAR = /^state\.(apply|sls|sls_id|highstate|single|top|show_(sls|low_sls|highstate|lowstate|states))$/;

/** Return whether `fun` accepts pillar for one run. */
export function acceptsPillar(fun) {
  return WITH_PILLAR.test(fun);
}

/** Return whether `fun` has a test mode, which shows what it would change. */
export function hasTestMode(fun, signature = null) {
  return TESTABLE.test(fun) || (signature?.args ?? []).includes("test");
}

const MANY = 10; // minions above which a run is always confirmed

/**
 * Return whether to ask before a call runs.
 *
 * @param {string} fun
 * @param {{tgt: string | string[], tgt_type: string} | null} target null for a runner or wheel function
 * @param {number} matched number of minions that the target matches
 * @param {boolean} isTest whether it runs in its test mode
 */
export function needsConfirmation(fun, target, matched, isTest) {
  if (changesState(fun) && !isTest) return true;
  return target !== null && (matchesAll(target) || matched > MANY);
}

function matchesAll({ tgt, tgt_type }) {
  const text = Array.isArray(tgt) ? tgt.join(",") : tgt.trim();
  return text === "*" || (tgt_type === "pcre" && [".*", ".+", ""].includes(text.replace(/^\^|\$$/g, "")));
}

// What the server said, by kind; who wants to know asks, or listens. Times are the server's monotonic seconds.

export const state = {
  hello: null, readings: new Map(), sources: new Map(), places: new Map(), alarms: new Map(), events: [], watching: {}, stats: null,
  faces: {}, cpu: null, alive: 0, wall: null, synced: true, connected: false,
  bed: new URLSearchParams(location.search).get("bed") ?? sessionStorage.getItem("bed"),
};

const EVENTS_KEPT = 60;
const SOUNDS_AGAIN = ["returned", "escalated", "realarmed", "widened"]; // acknowledged before or not
const listeners = new Map();

export function on(kind, listener) {
  listeners.set(kind, [...(listeners.get(kind) ?? []), listener]);
}

function tell(kind, item) {
  for (const listener of listeners.get(kind) ?? []) listener(item);
}

const sounds = (alarm, before) => alarm.presence === "on" && (before?.occurrence !== alarm.occurrence || (before.seq !== alarm.seq && SOUNDS_AGAIN.includes(alarm.what)));

const takes = {
  hello(item) {
    const before = new Map(state.alarms);
    state.hello = item;
    state.readings.clear();
    state.sources.clear();
    state.places.clear();
    state.alarms.clear();
    state.events = item.log.slice().reverse();
    state.watching = {}; // its times, and what the processor has spent, may be of a program that is no more
    state.stats = state.cpu = null;
    for (const alarm of item.alarms) {
      state.alarms.set(alarm.id, alarm);
      alarm.sounds = sounds(alarm, before.get(alarm.id)); // of what came while nothing was heard
    }
    for (const one of item.latest) take(one);
  },
  r(item) {
    const key = `${item.bed}/${item.src}/${item.m}`;
    state.readings.set(key, item);
  },
  s(item) {
    state.sources.set(item.source, item);
  },
  a(item) {
    const before = state.alarms.get(item.id);
    if (item.presence === "off") state.alarms.delete(item.id);
    else state.alarms.set(item.id, item);
    state.events.unshift(item);
    state.events.length = Math.min(state.events.length, EVENTS_KEPT);
    item.isHanded = ["received", "unconfirmed"].includes(item.what);
    item.sounds = sounds(item, before);
  },
  b(item) {
    state.watching = item.beds;
  },
  p(item) {
    state.places.set(item.bed, item);
  },
  t(item) {
    if (state.stats) state.cpu = (item.figures.cpu_s - state.stats.figures.cpu_s) / Math.max(1, item.t - state.stats.t);
    state.stats = item;
  },
  f() {},
  w() {},
  c() {},
};

export function beds() {
  return Object.keys(state.hello?.layout ?? {});
}

export function take(item) {
  takes[item.k]?.(item);
  tell(item.k, item);
}

// The newest readings of a bed by metric; several sources of one metric: the first that may be shown, else the newest.
export function readingsOf(bed, now) {
  const found = new Map();
  for (const reading of state.readings.values()) {
    if (reading.bed !== bed) continue;
    const before = found.get(reading.m);
    if (before && !unfit(before, now)) continue;
    if (!before || !unfit(reading, now) || reading.t > before.t) found.set(reading.m, reading);
  }
  return found;
}

// Why a reading must not be shown as current: "" = it may.
export function unfit(reading, now) {
  if (!state.connected) return "lost";
  if (!reading) return "none";
  const hop = state.hello?.hops[reading.m] ?? 2;
  if (now - reading.t > Math.max(6, 3 * hop + 2)) return "stale"; // a reason grows old, too
  return reading.v === null ? reading.why : "";
}

const RANK = { high: 3, medium: 2, low: 1 };

const rank = (a) => (a.drill ? -20 : 0) + (a.presence === "ack" ? 0 : 10) + RANK[a.priority];

export const byUrgency = (a, b) => rank(b) - rank(a) || b.since - a.since;

export function standing(bed = null) {
  return [...state.alarms.values()].filter((a) => bed === null || a.bed === bed).sort(byUrgency);
}

export const mayDo = {
  view: [], acknowledge: ["ack", "pause", "reset", "site"],
  configure: ["ack", "pause", "reset", "site", "standby", "shelve"],
};

export function may(command) {
  return state.connected && (mayDo[state.hello?.role] ?? []).includes(command);
}

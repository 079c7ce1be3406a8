// What is said in words: reasons, verdicts, durations. Everything the page tells a person comes from here.

export const REASONS = {
  warming_up: "warming up", no_signal: "no signal", sensor_off: "sensor off", saturated: "signal saturated",
  motion: "motion", low_quality: "signal too poor", gap: "data missing", no_face: "no face", face_moved: "face moved",
  too_dark: "too dark", static_image: "a still picture", speech: "speech", friction: "friction noise",
  flicker: "flickering light", too_short: "too little signal yet", disagreement: "sources disagree",
  no_pulse: "no pulse found", out_of_distribution: "unfamiliar signal", model_fault: "model fault",
  standby: "standby", stale: "no new reading", lost: "not connected", none: "not measured",
};

export const METRICS = {
  "fused.hr": "Heart rate, all sources", "ppg.hr": "Pulse", "pcg.hr": "Sound", "camera.hr": "Camera",
  "ppg.rhythm": "Rhythm", "pcg.murmur": "Murmur", "ppg.perfusion": "Perfusion", "camera.rr": "Breathing",
};

export const TRACES = { ppg: "Pulse wave", pcg: "Heart sound", roi: "Camera pulse", ecg: "ECG" };

const RHYTHMS = {
  sinus: ["Sinus rhythm", ["p_SR"], false], af: ["Atrial fibrillation", ["p_AF"], true],
  ectopy: ["Ectopic beats", ["p_PVC", "p_PAC"], true], tachyarrhythmia: ["Tachyarrhythmia", ["p_VT", "p_SVT"], true],
};

export const PRESENCES = { on: "not acknowledged", ack: "acknowledged", latched: "over, not acknowledged", off: "over" };
const HAPPENED = {
  raised: "began", standing: "stood at the start", returned: "is back", escalated: "more urgent", deescalated: "less urgent",
  realarmed: "sounds again", widened: "more is missing", narrowed: "less is missing", acknowledged: "acknowledged", latched: "ended unseen", cleared: "over", reset: "reset",
  paused: "sound paused", resumed: "sound back", shelved: "silenced", unshelved: "no longer silenced",
};
const MARKS = { high: "!!!", medium: "!!", low: "!" };
export const STATES = { online: "online", degraded: "weak", offline: "offline", disabled: "off", "": "waiting" };

export const STEPS = { camera_rate: "half the pictures", model_variant: "slower model variants", camera_off: "the camera" };

export const reason = (word) => REASONS[word] ?? word.replaceAll("_", " ");
export const metric = (name) => METRICS[name] ?? name;

export function quality(q) {
  return q >= 0.8 ? "good" : q >= 0.5 ? "fair" : "poor";
}

export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function left(seconds) {
  const s = Math.max(0, Math.ceil(seconds));
  return s < 3600 ? `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}` : duration(s);
}

export function timeOfDay(date) {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}

export function dateAndTime(date) {
  return `${date.toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" }).replaceAll(",", "")}, ${timeOfDay(date)}`;
}

export function percent(share) {
  if (share === null || share === undefined) return "–";
  const p = share * 100;
  return `${p > 99 && p < 100 ? ">99" : Math.round(p)} %`;
}

// A verdict: its words, how sure, and whether it is worth a second look.
export function rhythm(reading) {
  const [text, parts, notable] = RHYTHMS[reading.v] ?? [reading.v, [], true];
  const sure = parts.reduce((sum, part) => sum + (reading.d[part] ?? 0), 0);
  return { text, sure: parts.length ? sure : null, notable };
}

export function murmur(reading) {
  const decision = reading.d.decision ?? "unknown";
  if (decision === "present") return { text: "Present", sure: reading.v, notable: true };
  if (decision === "absent") return { text: "Absent", sure: 1 - reading.v, notable: false };
  return { text: "Cannot tell", sure: null, notable: true };
}

export function number(value, unit) {
  if (typeof value !== "number") return String(value);
  return unit === "bpm" || Math.abs(value) >= 100 ? String(Math.round(value)) : value.toFixed(1);
}

// Whether somebody has the alarm: a word for its look, and a sentence; null where nobody is asked, or need be any more.
export function receipt({ receipt: known, presence }) {
  if (!known?.asked) return null;
  const { asked, received, nobody } = known, last = asked[asked.length - 1];
  if (received) return { state: "received", text: `confirmed by ${received}` };
  if (presence === "ack" || presence === "off") return null;
  if (nobody) return { state: "nobody", text: "nobody confirmed" };
  return asked.length > 1 ? { state: "handed", text: `handed on to ${last}` } : { state: "waiting", text: `waiting for ${last}` };
}

export function happened(alarm, what) {
  return (["received", "unconfirmed"].includes(what) && receipt(alarm)?.text) || HAPPENED[what] || what;
}

export const several = (n, word) => (n ? `${n} ${word}${n > 1 ? "s" : ""}` : "");
export const place = (bed) => (bed === "_device" ? "this device" : bed);

// A long name by both its ends: beds of one ward often differ in the last letters only.
export const shortly = (name) => (name.length > 16 ? `${name.slice(0, 7)}…${name.slice(-8)}` : name);
export const rankName = (alarm) => (alarm.drill ? "drill" : alarm.priority);
export const mark = (alarm) => (alarm.drill ? "DRILL" : MARKS[alarm.priority]);

export function textOf(alarm) {
  const text = alarm.text || alarm.condition.replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}

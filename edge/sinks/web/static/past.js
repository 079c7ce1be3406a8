// The alarm history: asks the server for a list and for one alarm's evidence, and says both in words.

import { $, fill, make, put } from "./dom.js";
import { drawWaves, KEY } from "./past_waves.js";
import { dateAndTime, duration, happened, mark, metric, place, PRESENCES, rankName, reason, receipt, several, textOf } from "./words.js";

const PAGE = 50, MOST = 200, SOON_S = 120, AGAIN_MS = 10000;
let shown = [], chosen = null, latest = 0, asking = 0;

function theme(name) {
  document.documentElement.dataset.theme = name;
  put($("theme"), name === "dark" ? "Light" : "Dark");
  $("theme").setAttribute("aria-label", `${name === "dark" ? "light" : "dark"} colours`);
  if (chosen?.recording) drawWaves($("one").querySelector(".waves"), chosen);
}

function question() {
  const asked = new URLSearchParams();
  for (const [key, value] of new FormData($("filter"))) {
    if (!value) continue;
    asked.set(key, value);
  }
  return asked;
}

// The occurrence that the address names; an address is anybody's to write.
function named() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

async function ask(path) {
  const answer = await fetch(path);
  if (answer.status === 401) location.reload();
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

function row(alarm) {
  const lasted = alarm.ended === null ? PRESENCES[alarm.presence] : `for ${duration(Math.round(alarm.ended - alarm.raised))}`; // two clocks: 28 s may be a hair less
  const button = make("button", { type: "button", data: { occurrence: alarm.occurrence } },
    make("span", { className: `mark ${rankName(alarm)}`, textContent: mark(alarm), ariaHidden: "true" }),
    make("b", { textContent: textOf(alarm) }), make("span", { className: "presence", textContent: lasted }),
    make("span", { className: "about", textContent: `${dateAndTime(new Date(alarm.raised * 1000))} · ${place(alarm.bed)} · ${rankName(alarm)}` }));
  button.setAttribute("aria-current", String(alarm.occurrence === named()));
  return make("li", {}, button);
}

function options(name, values) {
  const select = $("filter").elements[name];
  for (const value of values) {
    if ([...select.options].some((o) => o.value === value)) continue;
    select.append(make("option", { value, textContent: place(value).replaceAll("_", " ") }));
  }
}

// The newest alarms, the older ones below those that are shown, or again as many as are shown: they may have ended since.
async function list({ older = false, again = false } = {}) {
  const turn = (latest += 1), asked = question(), limit = again ? Math.max(PAGE, shown.length) : PAGE;
  if (older) asked.set("beyond", shown[shown.length - 1].occurrence);
  asked.set("limit", String(limit));
  asking += 1;
  try {
    const said = await ask(`/history?${asked}`);
    if (turn !== latest) return;
    shown = older ? [...shown, ...said.alarms] : said.alarms;
    $("older").hidden = said.alarms.length < limit;
    $("table").hidden = !said.exports;
    $("table").href = `/history.csv?${question()}`;
    options("condition", said.conditions);
    options("bed", [...new Set(shown.map((a) => a.bed))].sort());
    fill($("alarms"), shown.map(row));
    put($("none"), shown.length ? `${several(shown.length, "alarm")}${$("older").hidden ? "" : ", and older ones"}` : "no such alarm");
    $("one").dataset.exports = said.exports ? "1" : "";
    const now = shown.find((alarm) => alarm.occurrence === chosen?.alarm.occurrence);
    if (now && (now.presence !== chosen.presence || now.priority !== chosen.priority)) await choose();
  } catch (error) {
    put($("none"), `not to be had now: ${error.message}`);
  } finally {
    asking -= 1;
  }
}

function again() {
  if (!document.hidden && !asking && shown.length <= MOST) list({ again: true });
}

const fact = (name, value, wide = false) => (value === null || value === undefined || value === "" ? [] : [
  make("div", { className: wide ? "wide" : "" }, make("dt", { textContent: name }), make("dd", { textContent: String(value) }))]);

const figure = (value) => (typeof value === "number" ? String(Math.round(value * 1000) / 1000) : value && reason(value));

function confirmed({ transitions, presence }) {
  const known = transitions.findLast((t) => t.receipt.asked)?.receipt;
  if (!known) return null;
  const open = presence !== "off" && presence !== "ack" && !known.nobody;
  return known.received ? `by ${known.received}` : `${open ? "not yet" : "by nobody"}; asked: ${known.asked.join(", ")}`;
}

function facts(alarm, last, said) {
  const { evidence } = alarm, { reading, rule } = evidence, end = last.presence === "off" ? last : null;
  const stood = end && (end.boot === alarm.boot ? end.t - alarm.t : end.wall - alarm.wall); // a clock may have been set
  const lasted = end ? `${dateAndTime(new Date(end.wall * 1000))}, after ${duration(Math.round(stood))}` : said.presence === "off" ? "nobody knows when: the device was cut off" : `not yet: ${last.presence === "on" ? "present, " : ""}${PRESENCES[last.presence]}`;
  const began = new Date((alarm.wall - (alarm.t - alarm.since)) * 1000);
  const held = rule.confirm[1] > 1 ? `, ${rule.confirm[0]} of ${rule.confirm[1]} windows ${rule.spacing_s} s apart` : "";
  const model = reading.model || "", who = said.transitions.filter((t) => t.evidence.by && t.evidence.change !== "received").map((t) => `${happened(t, t.evidence.change)} by ${t.evidence.by}`);
  return make("dl", { className: "facts" },
    ...fact("Raised", dateAndTime(new Date(alarm.wall * 1000))), ...fact("Held since", dateAndTime(began)), ...fact("Ended", lasted),
    ...fact("Answered", [...new Set(who)].join(", ")), ...fact("Confirmed", confirmed(said)),
    ...fact("Priority", alarm.drill ? "a drill, no alarm" : `${last.priority}, ${alarm.kind}`), ...fact("Value", figure(alarm.value)), ...fact("Limit", rule.limit),
    ...fact("Hysteresis", rule.hysteresis || null),
    ...fact("Delays", `on ${rule.on_delay_s} s, off ${rule.off_delay_s} s${held}`),
    ...fact("Source", [reading.source, metric(reading.metric ?? "")].filter(Boolean).join(", ")),
    ...fact("Quality", reading.quality === undefined ? null : figure(reading.quality)), ...fact("Model", model),
    ...fact("Card SHA-256", evidence.card, true), ...fact("Program", said.recording?.version ? `edge-vitals ${said.recording.version}` : null),
    ...fact("Occurrence", alarm.occurrence, true));
}

function grid(head, rows) {
  return make("table", {}, make("thead", {}, make("tr", {}, ...head.map((h) => make("th", { textContent: h, scope: "col" })))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((c) => make("td", { textContent: String(c) }))))));
}

function tables(alarm, said) {
  const at = (t) => dateAndTime(new Date((alarm.wall + (t - alarm.t)) * 1000)).split(", ").pop();
  const says = { yes: "yes", no: "no", between: "within the hysteresis" };
  const readings = (alarm.evidence.readings ?? []).map(([t, value, quality, verdict]) => [at(t), figure(value) ?? "--", figure(quality), says[verdict]]);
  const events = said.transitions.map((t) => [dateAndTime(new Date(t.wall * 1000)).split(", ").pop(), happened(t, t.evidence.change), PRESENCES[t.presence], t.evidence.by ?? ""]);
  const parts = [make("div", {}, make("h3", { textContent: "What happened" }), grid(["Time", "Change", "Then", "By"], events))];
  if (readings.length) parts.unshift(make("div", {}, make("h3", { textContent: "Readings that decided" }), grid(["Time", "Value", "Quality", "Holds"], readings)));
  return make("div", { className: "two" }, ...parts);
}

function command(text, label) {
  const button = make("button", { type: "button", textContent: "Copy" });
  button.setAttribute("aria-label", `Copy the command: ${label}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(text);
    put(button, navigator.clipboard ? "Copied" : "Select it");
  });
  return make("div", { className: "command" }, make("code", { textContent: text }), button);
}

function waves(said) {
  const { recording } = said;
  if (!recording) {
    return make("p", { className: "note", textContent: "No waveform: it is written half a minute after the alarm, and the oldest are removed when the quota is full." });
  }
  const box = make("div", { className: "waves", tabIndex: 0 });
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "Waveforms; scrolls sideways");
  const notes = [recording.torn].filter(Boolean);
  return make("div", {}, make("h3", { textContent: `Waveform, ${duration(recording.end - recording.start)} around the alarm` }), box,
    make("p", { className: "key" }, ...KEY.map(([name, text]) => make("span", {}, make("i", { className: name, ariaHidden: "true" }), text))),
    ...notes.map((n) => make("p", { className: "note", textContent: n })));
}

function files(said, alarm) {
  if (!said.recording) return [];
  const parts = [make("h3", { textContent: "Make it again on the device, bit for bit" }), command(said.replay, "replay"),
    make("h3", { textContent: "Open it in other programs" }), command(said.export, "export")];
  if ($("one").dataset.exports) {
    const path = `/history/${encodeURIComponent(alarm.occurrence)}/recording`;
    parts.push(make("a", { href: path, download: "", textContent: `Save the recording (${Math.max(1, Math.round(said.recording.bytes / 1000))} kB)` }));
  }
  return [make("div", {}, ...parts)];
}

async function choose() {
  const occurrence = named();
  for (const b of $("alarms").querySelectorAll("button")) b.setAttribute("aria-current", String(b.dataset.occurrence === occurrence));
  if (!occurrence) {
    chosen = null;
    $("one").replaceChildren(make("p", { id: "hint", textContent: "Choose an alarm to see what it rested on." }));
    return;
  }
  try {
    const said = await ask(`/history/${encodeURIComponent(occurrence)}`);
    if (occurrence !== named()) return;
    const alarm = said.transitions.find((t) => t.evidence.change === "raised") ?? said.transitions[0];
    const last = said.transitions[said.transitions.length - 1];
    const before = chosen?.alarm.occurrence === occurrence ? { top: $("one").scrollTop, left: $("one").querySelector(".waves")?.scrollLeft } : {};
    chosen = { ...said, alarm };
    const cause = typeof alarm.value === "string" ? `: ${reason(alarm.value)}` : "";
    $("one").replaceChildren(make("h2", { textContent: `${textOf(alarm)}${cause} (${place(alarm.bed)})` }), facts(alarm, last, said), waves(said), tables(alarm, said), ...files(said, alarm));
    const box = $("one").querySelector(".waves");
    if (box) drawWaves(box, chosen);
    if (box && before.left !== undefined) box.scrollLeft = before.left;
    $("one").scrollTop = before.top ?? 0;
    if (!box && said.now - alarm.wall < SOON_S) setTimeout(() => chosen?.alarm.occurrence === occurrence && choose(), 5000);
  } catch (error) {
    $("one").replaceChildren(make("p", { className: "note", textContent: `not to be had: ${error.message}` }));
  }
}

$("alarms").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) location.hash = encodeURIComponent(button.dataset.occurrence);
});
$("older").addEventListener("click", () => list({ older: true }));
$("filter").addEventListener("change", () => list());
$("filter").addEventListener("submit", (event) => event.preventDefault());
$("theme").addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", next);
  theme(next);
});
addEventListener("hashchange", choose);
document.addEventListener("visibilitychange", again);
setInterval(again, AGAIN_MS);
const preferred = () => localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
addEventListener("beforeprint", () => theme("light")); // paper is white
addEventListener("afterprint", () => theme(preferred()));
theme(preferred());
await list();
await choose();

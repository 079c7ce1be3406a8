// Health of the sources, proof of watching, history, and the device's own figures.

import { $, fill, make } from "./dom.js";
import { wallTime } from "./link.js";
import { state } from "./state.js";
import { duration, happened, metric, percent, rankName, reason, STATES, STEPS, textOf, timeOfDay } from "./words.js";

const HOUR_S = 3600, BLIND_ROWS = 8, EVENT_ROWS = 14;

function sources(now) {
  return Object.entries(state.hello?.layout ?? {}).flatMap(([bed, about]) => Object.entries(about.sources).map(([name, kind]) => {
    const status = state.connected ? state.sources.get(name) : null;
    const said = [`${kind.replaceAll("_", " ")} of ${bed}`];
    if (status) said.push(`for ${duration(now - status.since)}`);
    if (status?.reason) said.push(status.reason);
    if (status?.blind_s) said.push(`was blind for ${duration(status.blind_s)}`);
    const word = state.connected ? STATES[status?.state ?? ""] : "unknown";
    return make("li", { data: { source: name } },
      make("span", { className: "lamp", data: { state: status?.state ?? "" }, ariaHidden: "true" }),
      make("b", { textContent: name }), make("span", { textContent: word }),
      make("span", { className: "about", textContent: said.join(" · ") }));
  }));
}

const rows = () => (state.connected ? state.watching[state.bed]?.coverage ?? [] : []);

function bar(row, now) {
  const place = (i, from, to) => {
    i.style.left = `${(100 * (from - now + HOUR_S)) / HOUR_S}%`;
    i.style.right = `${(100 * (now - to)) / HOUR_S}%`;
    return i;
  };
  const known = [], blind = [];
  for (const [start, end, share] of row.minutes) {
    if (share === null) continue; // a standby is neither
    const from = Math.max(start, now - HOUR_S), last = known[known.length - 1];
    if (last && last[1] >= from) last[1] = end;
    else known.push([from, end]);
    if (share < 1) blind.push([end - (1 - share) * (end - from), end]); // of each minute how much, not when
  }
  const spans = (of, className) => of.map(([from, to]) => place(make("i", { className }), from, to));
  const element = make("div", { className: "bar" }, ...spans(known, ""), ...spans(blind, "blind"));
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", `last hour: ${percent(row.hour)} known`);
  return element;
}

function coverage(now) {
  return rows().map((row) => make("li", {},
    make("span", { textContent: `${metric(row.metric)}, ${row.source}` }),
    make("b", { textContent: percent(row.hour) }),
    make("span", { textContent: `day ${percent(row.day)}` }), bar(row, Math.floor(now / 10) * 10)));
}

function blind() {
  const all = rows().flatMap((row) => row.blind.map((b) => ({ ...b, what: row.metric })));
  all.sort((a, b) => b.start - a.start);
  if (!all.length) return [make("li", { textContent: state.connected ? "none" : "" })];
  return all.slice(0, BLIND_ROWS).map((b) => make("li", {},
    make("time", { textContent: timeOfDay(wallTime(b.start)) }),
    make("span", { textContent: `${metric(b.what)}: ${reason(b.cause)}` }),
    make("span", { className: "long", textContent: duration(b.end - b.start) })));
}

function events() {
  if (!state.events.length) return [make("li", { textContent: "none since the start" })];
  return state.events.slice(0, EVENT_ROWS).map((a) => make("li", {},
    make("time", { textContent: timeOfDay(wallTime(a.t)) }),
    make("span", {}, make("i", { className: rankName(a), textContent: rankName(a) }), make("a", { href: `/alarms#${encodeURIComponent(a.occurrence)}`, textContent: `${textOf(a)}${a.bed === state.bed || a.bed === "_device" ? "" : ` (${a.bed})`}` })),
    make("span", { className: "presence", textContent: happened(a, a.what) })));
}

function figures() {
  const { stats, hello, cpu } = state;
  const told = [["Program", `edge-vitals ${hello?.version ?? ""}`]];
  if (state.connected && !state.synced) told.push(["Clock", "no time server keeps it: times may be wrong"]);
  if (stats && state.connected) {
    const f = stats.figures, sum = (o) => Object.values(o ?? {}).reduce((a, b) => a + b, 0);
    if (f.latency_ms) told.push(["Delay of readings", `${f.latency_ms.p50.toFixed(0)} ms, 95 % under ${f.latency_ms.p95.toFixed(0)} ms`]);
    if (cpu !== null) told.push(["Processor", `${(100 * cpu).toFixed(0)} % of a core`]);
    if (f.resident_mb) told.push(["Memory", `${f.resident_mb.toFixed(0)} MB`]);
    told.push(["Blocks dropped", String(sum(f.dropped_blocks))], ["Reconnections", String(sum(f.reopened))]);
    if (f.temperature_c) told.push(["Temperature", `${f.temperature_c.toFixed(0)} °C`]);
    if (f.degraded?.length) told.push(["Given up for now", f.degraded.map((step) => STEPS[step] ?? step).join(", ")]);
    for (const [name, id] of Object.entries(f.models ?? {})) told.push([`Model ${name}`, id.replace(`${name} `, "")]);
  }
  return told.flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: value })]);
}

export function showDetails(now) {
  fill($("sources"), sources(now));
  fill($("coverage"), coverage(now));
  fill($("blind"), blind());
  fill($("events"), events());
  fill($("device-figures"), figures());
}

const SVG = "http://www.w3.org/2000/svg";

// The outline of the region and where it looks; never a picture.
export function showFace(figure, face) {
  let drawing = figure.querySelector("svg");
  if (!drawing) {
    drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("viewBox", "0 0 64 48");
    drawing.setAttribute("class", "face");
    drawing.setAttribute("role", "img");
    for (const tag of ["rect", "ellipse", "line"]) drawing.append(document.createElementNS(SVG, tag));
    figure.append(drawing);
  }
  const [rect, ellipse, line] = drawing.children;
  const set = (element, fields) => Object.entries(fields).forEach(([k, v]) => element.setAttribute(k, v));
  set(rect, { x: 0.5, y: 0.5, width: 63, height: 47, rx: 4 });
  const seen = Boolean(face?.box);
  ellipse.style.display = line.style.display = seen ? "" : "none";
  drawing.setAttribute("aria-label", seen ? `face seen, turned ${face.yaw ?? 0} degrees` : "no face");
  if (!seen) return;
  const [x, y, w, h] = face.box, cx = 64 * (x + w / 2), cy = 48 * (y + h / 2);
  set(ellipse, { cx, cy, rx: 32 * w, ry: 24 * h });
  set(line, { x1: cx, y1: cy, x2: cx + 32 * w * Math.sin(((face.yaw ?? 0) * Math.PI) / 180), y2: cy });
}

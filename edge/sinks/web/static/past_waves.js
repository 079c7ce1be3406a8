// Waveforms of one alarm on one long sheet: gaps stay empty, beats are ticks, findings are shaded, the alarm is a line.

import { metric, number, TRACES } from "./words.js";

const PX_A_SECOND = 36, ROW = 104, TOP = 22, FOOT = 20, NUMBERS = 22, NAME = 170, CAMERA_GAP_S = 0.25;
const ORDER = ["ecg", "ppg", "pcg", "roi"];

export const KEY = [["beat", "beat"], ["found", "murmur or fibrillation found"], ["held", "the condition held, not yet an alarm"], ["began", "alarm"]];

function streamsOf(recording) {
  const streams = new Map();
  for (const chunk of recording.waves) {
    if (!streams.has(chunk.s)) streams.set(chunk.s, []);
    streams.get(chunk.s).push(chunk);
  }
  return [...streams].sort(([a], [b]) => ORDER.indexOf(a.split("/")[1]) - ORDER.indexOf(b.split("/")[1]));
}

// Points [t, high, low, joined to the one before, sensor off].
function points(chunks) {
  const found = [];
  let expected = -1, newest = -Infinity;
  for (const { t, q, v, lo, d, dt, n, off } of chunks) {
    v.forEach((value, i) => {
      const at = d ? t + d[i] / 1000 : t + i * dt;
      found.push([at, value * q, (lo ? lo[i] : value) * q, d ? at - newest < CAMERA_GAP_S : i > 0 || n === expected, off ?? 0]);
      newest = at;
    });
    expected = n + v.length;
  }
  return found;
}

// The range without its rarest hundredths, so that one jolt does not flatten the rest.
function range(all) {
  const worth = all.filter((p) => !p[4]), at = (list, share) => list[Math.min(list.length - 1, Math.floor(list.length * share))];
  if (!worth.length) return [-1, 1];
  const high = at(worth.map((p) => p[1]).sort((a, b) => a - b), 0.99), low = at(worth.map((p) => p[2]).sort((a, b) => a - b), 0.01);
  return high > low ? [low, high] : [low - 1, low + 1];
}

export function drawWaves(box, { recording, alarm }) {
  const streams = streamsOf(recording), { start, end } = recording, style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const width = Math.round((end - start) * PX_A_SECOND), height = TOP + NUMBERS + Math.max(1, streams.length) * ROW + FOOT;
  const canvas = document.createElement("canvas"), ratio = Math.min(2, devicePixelRatio || 1, 16000 / width);
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.setAttribute("role", "img");
  const beats = Object.values(recording.beats).reduce((sum, list) => sum + list.length, 0);
  const names = streams.map(([s]) => TRACES[s.split("/")[1]] ?? s);
  const found = recording.marks.map((m) => `${m.text} of ${m.source} for ${Math.round(m.end - m.start)} s`);
  canvas.setAttribute("aria-label", [`${names.join(", ") || "no samples"} from ${Math.round(alarm.t - start)} s before to ${Math.round(end - alarm.t)} s after the alarm`, `${beats} beats marked`, ...found].join("; "));
  const pen = canvas.getContext("2d"), x = (t) => (t - start) * PX_A_SECOND, foot = height - FOOT;
  const left = Math.max(0, Math.min(Math.round(x(alarm.t) - box.clientWidth * 0.6), width - box.clientWidth));
  const every = Math.max(NAME, box.clientWidth - NAME); // wherever it is scrolled to, each stream's name is seen whole
  pen.scale(ratio, ratio);
  pen.font = "13px system-ui, 'DejaVu Sans', sans-serif";
  pen.textBaseline = "middle";
  const shade = (from, to, name, share, top = TOP, bottom = foot) => {
    pen.globalAlpha = share;
    pen.fillStyle = colour(name);
    pen.fillRect(x(Math.max(start, from)), top, Math.max(2, x(Math.min(end, to)) - x(Math.max(start, from))), bottom - top);
    pen.globalAlpha = 1;
  };
  shade(alarm.since, alarm.t, "poor", 0.18);
  seconds(pen, { start, end, wall: recording.wall, x, foot, colour });
  numbers(pen, recording, alarm, { x, colour });
  streams.forEach(([stream, chunks], i) => {
    const top = TOP + NUMBERS + i * ROW, [source, kind] = stream.split("/");
    for (const mark of recording.marks) if (mark.source === source && mark.kind === kind) shade(mark.start, mark.end, "fair", 0.22, top, top + ROW);
    trace(pen, points(chunks), { top, x, line: colour(kind), off: colour("off"), band: kind === "pcg" });
    pen.strokeStyle = colour("ink");
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const t of recording.beats[stream] ?? []) pen.moveTo(x(t), top + ROW - 9), pen.lineTo(x(t), top + ROW - 1);
    pen.stroke();
    pen.fillStyle = colour(kind);
    for (let at = left % every; at < width; at += every) pen.fillText(`${TRACES[kind] ?? kind}, ${source}`, at + 8, top + 10);
    pen.fillStyle = colour("line");
    pen.fillRect(0, top + ROW - 0.5, width, 1);
  });
  pen.fillStyle = colour("poor");
  pen.fillRect(x(alarm.t) - 1.5, 0, 3, foot);
  pen.fillText("alarm", x(alarm.t) + 6, 10);
  box.replaceChildren(canvas);
  box.scrollLeft = left;
}

function seconds(pen, { start, end, wall, x, foot, colour }) {
  for (let s = Math.ceil(start + wall); s <= end + wall; s += 1) {
    const at = x(s - wall), whole = s % 5 === 0;
    pen.fillStyle = colour("line");
    pen.fillRect(at, foot - (whole ? 6 : 3), 1, whole ? 6 : 3);
    if (!whole) continue;
    pen.fillStyle = colour("dim");
    const date = new Date(s * 1000);
    pen.fillText(date.toLocaleTimeString([], { hourCycle: "h23" }), at - 26, foot + FOOT / 2);
  }
}

// What was read of the alarm's own metric, every few seconds along the top.
function numbers(pen, recording, alarm, { x, colour }) {
  const own = alarm.evidence.reading.metric, all = recording.readings.filter((r) => r[0] === own);
  let free = -Infinity;
  for (const [name, t, value, , why] of all) {
    const text = value === null ? "--" : typeof value === "number" ? number(value, name.endsWith(".hr") ? "bpm" : "") : value;
    if (x(t) < free) continue;
    pen.fillStyle = value === null ? colour("dim") : colour("ink");
    pen.fillText(text, x(t), TOP + NUMBERS / 2 - 2);
    free = x(t) + pen.measureText(text).width + 26;
    if (value === null && !why) free = x(t);
  }
  if (all.length) {
    pen.fillStyle = colour("dim");
    pen.fillText(metric(own), 8, TOP - 12);
  }
}

function trace(pen, all, { top, x, line, off, band }) {
  let [low, high] = range(all);
  if (band) high = Math.max(high, -low), low = -high;
  const y = (v) => Math.min(top + ROW - 12, Math.max(top + 18, top + ROW - 16 - ((v - low) / (high - low)) * (ROW - 38)));
  pen.lineWidth = 1.4;
  pen.lineJoin = "round";
  for (const state of [0, 1]) {
    pen.strokeStyle = state ? off : line;
    pen.beginPath();
    all.forEach(([t, up, down, joined, isOff], i) => {
      if (isOff !== state) return;
      const before = i && joined && all[i - 1][4] === state;
      if (before) pen.lineTo(x(t), y(up));
      else pen.moveTo(x(t), y(up));
      if (down !== up) pen.lineTo(x(t), y(down));
    });
    pen.stroke();
  }
}

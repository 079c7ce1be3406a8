// Sweeping traces: a point is drawn at its own time, so that what is missing stays empty.

import { serverNow } from "./link.js";
import { state } from "./state.js";
import { TRACES } from "./words.js";

const SWEEP_S = 8, DELAY_S = 0.55, GAP_S = 0.3, CAMERA_GAP_S = 0.25, SCALE_S = 4, SCALE_EASE_S = 0.5, KEPT = 2400;
const ORDER = ["ecg", "ppg", "pcg", "roi"];
const traces = new Map();
export const cost = { frames: 0, script_ms: 0, worst_ms: 0 };

export function spent(ms) {
  cost.script_ms += ms;
  cost.worst_ms = Math.max(cost.worst_ms, ms);
}

class Trace {
  constructor(stream, place) {
    [this.source, this.kind] = stream.split("/");
    this.figure = document.createElement("figure");
    this.figure.className = `trace ${this.kind}`;
    this.figure.dataset.stream = stream;
    const caption = document.createElement("figcaption");
    const name = document.createElement("b");
    name.textContent = TRACES[this.kind] ?? this.kind;
    const from = document.createElement("span");
    from.textContent = this.source;
    caption.append(name, from);
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${name.textContent} of ${this.source}, the last ${SWEEP_S} seconds`);
    this.figure.append(caption, this.canvas);
    const after = [...place.children].find((e) => ORDER.indexOf(e.className.split(" ")[1]) > ORDER.indexOf(this.kind));
    place.insertBefore(this.figure, after ?? null);
    this.pen = this.canvas.getContext("2d");
    this.points = [];
    this.next = 0;
    this.head = null;
    this.last = null;
    this.low = this.high = null;
    this.newest = this.expected = -1;
    this.measured = 0;
  }

  add(chunk) {
    const { t, q, v, lo, d, dt, n, off } = chunk;
    for (let i = 0; i < v.length; i += 1) {
      const at = d ? t + d[i] / 1000 : t + i * dt;
      const joined = d ? at - this.newest < CAMERA_GAP_S : i > 0 || n === this.expected;
      this.points.push([at, v[i] * q, lo ? lo[i] * q : null, off ?? 0, joined]);
      this.newest = at;
    }
    this.expected = n + v.length;
    if (this.points.length > KEPT) {
      const gone = this.points.length - KEPT;
      this.points.splice(0, gone);
      this.next = Math.max(0, this.next - gone);
    }
  }

  // The range of the last seconds without its rarest hundredth, so that one jolt does not flatten the trace.
  measure(now) {
    this.measured = now;
    const highs = [], lows = [];
    for (let i = this.points.length - 1; i >= 0 && this.points[i][0] > now - SCALE_S; i -= 1) {
      const [, v, lo, off] = this.points[i];
      if (off) continue;
      highs.push(v);
      lows.push(lo ?? v);
    }
    if (highs.length < 20) return;
    let high = highs.sort((a, b) => b - a)[Math.floor(highs.length / 100)];
    let low = lows.sort((a, b) => a - b)[Math.floor(lows.length / 100)];
    if (high <= low) return;
    if (this.kind === "pcg") high = Math.max(high, -low), low = -high;
    this.goal = [low, high];
    if (this.high === null) [this.low, this.high] = this.goal;
  }

  approach(seconds) {
    if (!this.goal) return;
    const share = 1 - Math.exp(-Math.max(0, seconds) / SCALE_EASE_S);
    this.low += share * (this.goal[0] - this.low);
    this.high += share * (this.goal[1] - this.high);
  }

  fit() {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const width = Math.round(this.canvas.clientWidth * ratio), height = Math.round(this.canvas.clientHeight * ratio);
    if (width === this.canvas.width && height === this.canvas.height && this.colour) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.ratio = ratio;
    const style = getComputedStyle(document.documentElement);
    this.colour = style.getPropertyValue(`--${this.kind}`).trim();
    this.dim = style.getPropertyValue("--off").trim();
    this.head = null;
  }

  restyle() {
    this.colour = "";
  }

  x(t) {
    return ((t % SWEEP_S) / SWEEP_S) * this.canvas.width;
  }

  y(v) {
    const { height } = this.canvas, top = height * 0.24, bottom = height * 0.9;
    if (this.high === null) return (top + bottom) / 2;
    const share = (v - this.low) / (this.high - this.low);
    return Math.min(height - 2, Math.max(2, bottom - share * (bottom - top)));
  }

  erase(from, to) {
    const { width, height } = this.canvas;
    if (to - from >= SWEEP_S) {
      this.pen.clearRect(0, 0, width, height);
      return;
    }
    const a = this.x(from), b = this.x(to);
    if (b >= a) this.pen.clearRect(a, 0, b - a + 1, height);
    else {
      this.pen.clearRect(a, 0, width - a + 1, height);
      this.pen.clearRect(0, 0, b + 1, height);
    }
  }

  draw(now) {
    if (now - this.measured > 0.5) this.measure(now);
    if (this.head !== null && now <= this.head && this.head - now < 1) return; // the clock was set back a little
    if (this.head === null || now < this.head || now - this.head > SWEEP_S / 2) {
      this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
      this.next = this.points.findIndex((p) => p[0] > now - SWEEP_S + 2 * GAP_S);
      if (this.next < 0) this.next = this.points.length;
      this.last = null;
    } else {
      this.erase(this.head + GAP_S, now + GAP_S);
      this.approach(now - this.head);
    }
    this.head = now;
    if (this.next >= this.points.length || this.points[this.next][0] > now) return;
    const { pen } = this;
    pen.lineWidth = 2 * this.ratio;
    pen.lineJoin = "round";
    let off = -1;
    for (; this.next < this.points.length && this.points[this.next][0] <= now; this.next += 1) {
      const point = this.points[this.next], { last } = this;
      const b = this.x(point[0]), y = this.y(point[1]), low = point[2] === null ? y : this.y(point[2]);
      this.last = [point, b, low];
      // back to the left edge, or back in time within a device's jitter: there a line would go across the sweep
      if (!last || !point[4] || point[3] !== last[0][3] || b < last[1] || point[0] < last[0][0]) continue;
      if (off !== point[3]) {
        if (off >= 0) pen.stroke();
        off = point[3];
        pen.strokeStyle = off ? this.dim : this.colour;
        pen.beginPath();
      }
      pen.moveTo(last[1], last[2]);
      pen.lineTo(b, y);
      if (low !== y) pen.lineTo(b, low);
    }
    if (off >= 0) pen.stroke();
  }
}

const place = () => document.getElementById("traces");

export function addWaves(item) {
  const now = serverNow();
  for (const chunk of item.w) {
    const source = chunk.s.split("/")[0];
    if (!(source in (state.hello?.layout[state.bed]?.sources ?? {}))) continue;
    if (chunk.t > now + SWEEP_S) continue; // of a file played fast: by then nothing of it is true
    if (!traces.has(chunk.s)) traces.set(chunk.s, new Trace(chunk.s, place()));
    traces.get(chunk.s).add(chunk);
  }
}

export function clearTraces() {
  traces.clear();
  place().replaceChildren();
}

export function restyle() {
  for (const trace of traces.values()) trace.restyle();
}

export function traceOf(stream) {
  return traces.get(stream);
}

export function run() {
  const frame = () => {
    const started = performance.now();
    if (state.connected) {
      const now = serverNow() - DELAY_S;
      for (const trace of traces.values()) trace.fit(), trace.draw(now);
    }
    cost.frames += 1;
    spent(performance.now() - started);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

// The share of the columns between two times that have ink: for whoever tests the page.
export function drawn(stream, from, to) {
  const { canvas, pen } = traces.get(stream), trace = traces.get(stream);
  let inked = 0, all = 0;
  for (let x = Math.ceil(trace.x(from)); x !== Math.floor(trace.x(to)); x = (x + 1) % canvas.width) {
    all += 1;
    inked += pen.getImageData(x, 0, 1, canvas.height).data.some((v, i) => i % 4 === 3 && v > 0) ? 1 : 0;
  }
  return inked / all;
}

// The socket: connects, notices silence, connects again; and keeps the server's clock.

import { state, take } from "./state.js";

const SILENT_MS = 2500; // the page must say within 3 s that its numbers are not current; a busy machine is late with it
const AGAIN_MS = [300, 600, 1000, 2000, 3000];
const STUCK_S = 15; // the program's main loop says something at least every 10 s
const TOO_MANY = 4013;

let socket = null, heard = 0, failures = 0, again = 0, offsets = [Infinity, Infinity], bucket = 0, onChange = () => {};
let problem = "connecting";

export const link = { problem: () => problem, bytes: 0, messages: 0 };

// The server's monotonic time now, s: of all messages the one that travelled fastest sets the clock.
export function serverNow() {
  return performance.now() / 1000 - Math.min(...offsets);
}

export function wallTime(t) {
  const { hello } = state;
  return hello ? new Date((hello.wall + (t - hello.now)) * 1000) : new Date();
}

export function start(changed) {
  onChange = changed;
  open();
  setInterval(check, 100);
}

export function ask(command, fields) {
  if (socket?.readyState !== WebSocket.OPEN) return null;
  const id = crypto.getRandomValues(new Uint32Array(3)).join("-");
  socket.send(JSON.stringify({ command, command_id: id, ...fields }));
  return id;
}

function open() {
  clearTimeout(again);
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket = mine;
  heard = performance.now();
  mine.onmessage = (event) => mine === socket && receive(event.data);
  mine.onclose = (event) => mine === socket && lost(event.code === TOO_MANY ? "too many viewers" : "not connected");
}

function receive(text) {
  const now = performance.now();
  heard = now;
  link.bytes += text.length;
  link.messages += 1;
  const message = JSON.parse(text);
  clock(now / 1000, message.now);
  state.alive = message.alive;
  for (const item of message.m) {
    if (item.k === "hello") {
      offsets = [now / 1000 - message.now, Infinity];
      failures = 0;
      state.connected = true;
      problem = "";
      take(item);
      onChange();
    } else if (state.connected) take(item);
  }
}

function clock(local, server) {
  const slot = Math.floor(local / 20);
  if (slot !== bucket) {
    bucket = slot;
    offsets = [Infinity, offsets[0]];
  }
  offsets[0] = Math.min(offsets[0], local - server);
}

function check() {
  if (socket && performance.now() - heard > SILENT_MS) lost("not connected");
  const stuck = state.connected && serverNow() - state.alive > STUCK_S ? "the monitor does not answer" : "";
  if (state.connected && stuck !== problem) {
    problem = stuck;
    onChange();
  }
}

function lost(why) {
  const was = socket;
  socket = null;
  was?.close();
  const changed = state.connected || problem !== why;
  state.connected = false;
  problem = why;
  if (changed) onChange();
  clearTimeout(again);
  again = setTimeout(retry, AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)]);
  failures += 1;
}

// A socket that is refused does not say why; the session does.
async function retry() {
  try {
    const answer = await fetch("/session", { signal: AbortSignal.timeout(2000) });
    if (answer.status === 401) location.assign("/login");
    else open();
  } catch {
    lost("not connected");
  }
}

// The socket: connects, notices silence, connects again; and keeps the server's clock.

import { state, take } from "./state.js";

const SILENT_MS = 2500; // the page must say within 3 s that its numbers are not current; a busy machine is late with it
const AGAIN_MS = [300, 600, 1000, 2000, 3000];
const STUCK_S = 15; // the program's main loop says something at least every 10 s
const TOO_MANY = 4013;
const DRIFT = 0.001; // two clocks part by less
const SLEPT_MS = 2000;

let socket = null, heard = 0, failures = 0, again = 0, offset = Infinity, late = 0, told = 0, wallAhead = Date.now() - performance.now(), onChange = () => {};
let problem = "connecting";

export const link = { problem: () => problem, bytes: 0, messages: 0 };

// The server's monotonic time now, s.
export function serverNow() {
  return performance.now() / 1000 - offset;
}

// The server's own clock, as it is set now.
export function wallTime(t) {
  return state.wall === null ? new Date() : new Date((state.wall + t) * 1000);
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
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live?confirms`);
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
  socket.send(message.now); // what has come this far: the server sends no more than is taken
  clock(now / 1000, message.now);
  state.alive = message.alive;
  state.wall = message.wall - message.now;
  state.synced = message.synced;
  for (const item of message.m) {
    if (item.k === "hello") {
      offset = now / 1000 - message.now;
      late = 0;
      failures = 0;
      state.connected = true;
      problem = "";
      take(item);
      onChange();
    } else if (state.connected) take(item);
  }
}

// Of all messages of this connection the one that travelled fastest sets the clock. It may follow the drift between two
// clocks and no more: a network that is behind for longer and longer must not pass for a clock.
function clock(local, server) {
  offset = Math.min(offset + DRIFT * Math.max(0, local - told), local - server);
  late = local - server - offset;
  told = local;
}

// The monotonic clock stands still in a machine that sleeps, the other one goes on: what is shown is as old as the sleep.
function slept() {
  const ahead = Date.now() - performance.now(), before = wallAhead;
  wallAhead = ahead;
  return Math.abs(ahead - before) > SLEPT_MS;
}

function check() {
  if (slept() && socket) lost("not connected");
  else if (socket && performance.now() - heard > SILENT_MS) lost("not connected");
  else if (socket && state.connected && late * 1000 > SILENT_MS) lost("the network is too slow");
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
    if (answer.status === 401) location.reload();
    else open();
  } catch {
    lost("not connected");
  }
}

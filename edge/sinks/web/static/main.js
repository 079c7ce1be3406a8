// The page put together: a socket in, traces at every frame, words and numbers four times a second.

import { announce, justMoved, showAlarms } from "./alarms.js";
import { showDetails, showFace } from "./details.js";
import { $, fill, make, put } from "./dom.js";
import { ask, link, serverNow, start, wallTime } from "./link.js";
import { showNumbers } from "./numbers.js";
import { beds, may, on, readingsOf, standing, state, unfit } from "./state.js";
import { addWaves, clearTraces, cost, drawn, restyle, run, spent, traceOf } from "./traces.js";
import { left, mark, number, rankName, shortly, timeOfDay } from "./words.js";

const PAUSE_S = 120, DETAILS_EVERY = 4, FACE_S = 2, ANSWER_S = 60;
const mine = new Set();
let turns = 0, modesShown = "", answeredAt = 0, page = null, inSight = null;

function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = name === "dark" ? "Light" : "Dark";
  $("theme").setAttribute("aria-label", `${name === "dark" ? "light" : "dark"} colours`);
  restyle();
}

// A screen at a bed that is no more shows no other's numbers in their place.
function isGone() {
  return state.hello !== null && !beds().includes(state.bed);
}

function showGone() {
  const gone = isGone();
  $("traces").hidden = $("numbers").hidden = gone;
  if (gone) $("quiet").hidden = true;
  put($("gone-bed"), gone ? `${state.bed} is not watched` : "");
  $("gone").hidden = !gone;
}

function showBeds(now) {
  const all = beds();
  if (all.length < 2 && !isGone()) return fill($("beds"), []);
  fill($("beds"), all.map((bed) => {
    const rate = readingsOf(bed, now).get("fused.hr"), unknown = unfit(rate, now) !== "", [worst] = state.connected ? standing(bed) : [];
    const button = make("button", { type: "button", data: { bed } }, make("span", { textContent: shortly(bed), title: bed }),
      make("b", { className: unknown ? "unknown" : "", textContent: unknown ? "--" : number(rate.v, "bpm") }));
    button.setAttribute("aria-current", String(bed === state.bed));
    if (worst) button.append(make("i", { className: rankName(worst), textContent: mark(worst), role: "img", ariaLabel: worst.drill ? "drill" : `${worst.priority} priority alarm` }));
    return button;
  }));
  if (inSight !== state.bed) bedInSight();
  inSight = state.bed;
}

// Whose numbers these are must be read without a finger, also when the words beside the beds leave them less room.
function bedInSight() {
  const row = $("beds"), tab = row.querySelector("[aria-current=true]");
  if (tab) row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
}

const lasts = (until, now) => until !== null && until !== undefined && until > now;

function showModes(now) {
  const bed = state.watching[state.bed] ?? {};
  const paused = state.connected && lasts(bed.paused_until, now), standby = state.connected && lasts(bed.standby_until, now);
  const told = [state.connected && !may("ack") && "view only", paused && `sound paused ${left(bed.paused_until - now)}`, standby && `standby ${left(bed.standby_until - now)}`].filter(Boolean);
  if (told.join() !== modesShown) {
    modesShown = told.join();
    $("modes").replaceChildren(...told.map((t) => make("span", { textContent: t })));
  }
  put($("pause"), paused ? "End pause" : "Pause sound 2 min");
  put($("standby"), standby ? "End standby" : "Standby …");
  $("pause").disabled = isGone() || !may("pause");
  $("standby").disabled = isGone() || !may("standby");
  $("pause").dataset.seconds = paused ? "0" : String(PAUSE_S);
  $("standby").dataset.on = standby ? "1" : "";
}

function showLink() {
  const problem = link.problem();
  const lost = problem !== "" && problem !== "connecting";
  document.body.dataset.link = state.connected && !problem ? "up" : lost ? "lost" : "waiting";
  put($("link-text"), problem || "connected");
  $("lost").hidden = !lost;
  if (lost) {
    const text = `${problem} - numbers are not current`;
    put($("lost"), text[0].toUpperCase() + text.slice(1));
    $("announce").textContent = $("lost").textContent;
  }
  document.title = lost ? `${problem}: edge-vitals` : `${state.hello?.device ?? "edge-vitals"}: edge-vitals`;
}

function show() {
  const started = performance.now(), now = serverNow();
  turns += 1;
  showNumbers(now);
  showAlarms(now);
  showGone();
  showBeds(now);
  showModes(now);
  put($("clock"), state.hello && state.connected ? `${timeOfDay(wallTime(now))}${state.synced ? "" : " ?"}` : "");
  for (const [source, face] of Object.entries(state.faces)) {
    const trace = traceOf(`${source}/roi`);
    if (trace) showFace(trace.figure, now - face.at < FACE_S ? face : {}); // of a camera that is gone nothing is known
  }
  if (performance.now() - answeredAt > ANSWER_S * 1000) put($("answer"), "");
  if (turns % DETAILS_EVERY === 1) showDetails(now);
  spent(performance.now() - started);
}

function changed() {
  if (!state.connected) mine.clear();
  showLink();
  show();
}

function send(command, fields) {
  const id = ask(command, fields);
  if (id) mine.add(id);
}

function answered(item) {
  const own = mine.delete(item.command_id);
  if (!own && !item.ok && item.command_id) return; // without a name it is for this page: what it sent was not even read
  const who = own ? "" : item.by?.replace("page:", "");
  say([who, item.bed !== state.bed && item.bed, item.text].filter(Boolean).join(": "), item.ok);
}

function say(text, isGood) {
  answeredAt = performance.now();
  put($("answer"), text);
  $("answer").classList.toggle("bad", !isGood);
}

function watch(bed) {
  state.bed = bed;
  sessionStorage.setItem("bed", bed);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || button.disabled) return;
  const { ack, occurrence, seq, bed } = button.dataset;
  if (ack && event.detail && justMoved(occurrence)) return; // detail 0 = a key, which stays with its alarm
  if (ack) send("ack", { bed, id: ack, occurrence, seq: Number(seq) });
  else if (button.closest("#beds")) {
    watch(bed);
    history.replaceState(null, "", `?bed=${encodeURIComponent(bed)}${location.hash}`);
    say("", true);
    clearTraces();
    state.faces = {};
    turns = 0;
    show();
  }
});
$("pause").addEventListener("click", () => send("pause", { bed: state.bed, seconds: Number($("pause").dataset.seconds) }));
$("standby").addEventListener("click", () => {
  if ($("standby").dataset.on) send("standby", { bed: state.bed, seconds: 0 });
  else $("ask").showModal();
});
$("ask").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  $("ask").close();
  if (button.value) send("standby", { bed: state.bed, seconds: Number(button.value) });
});
$("site").addEventListener("click", () => $("ask-site").showModal());
$("ask-site").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  $("ask-site").close();
  if (button.value) send("site", { bed: state.bed, site: button.value });
});
$("theme").addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", next);
  theme(next);
});
$("logout").addEventListener("click", async () => {
  await fetch("/logout", { method: "POST" });
  location.reload();
});

on("hello", (item) => {
  page ??= item.page;
  if (page !== item.page) return location.reload(); // the device has another version by now
  put($("device"), item.device);
  $("logout").hidden = !item.login;
  state.faces = {};
  clearTraces();
  if (!state.bed) watch(beds()[0] ?? "bed1");
  item.alarms.forEach(announce);
});
on("f", (item) => {
  for (const [source, face] of Object.entries(item.f)) state.faces[source] = { ...face, at: serverNow() };
});
on("w", addWaves);
on("a", announce);
on("c", answered);
theme(localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
window.edgeVitals = { cost, drawn, link, state };
start(changed);
run();
setInterval(show, 250);
new ResizeObserver(bedInSight).observe($("beds"));
document.addEventListener("visibilitychange", show); // timers of a tab behind others come once a minute

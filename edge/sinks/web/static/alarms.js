// Alarms as they stand, highest first, each with its own acknowledgement; new ones are also spoken.

import { $, fill, make, put } from "./dom.js";
import { beds, byUrgency, may, standing, state } from "./state.js";
import { duration, mark, number, place, PRESENCES, rankName, receipt, several, shortly, textOf } from "./words.js";

const REACTION_MS = 400;
let places = [], changedAt = [], news = [];

// Whose it is, where that is not said by what the page shows.
const whose = (alarm) => (beds().length > 1 || alarm.bed !== state.bed ? place(alarm.bed) : "");

export function showAlarms(now) {
  const shown = state.connected ? standing() : [];
  const drills = shown.filter((alarm) => alarm.drill).length, real = shown.length - drills;
  $("quiet").hidden = real > 0 || !state.connected;
  put($("count"), shown.length > 1 ? [several(real, "alarm"), several(drills, "drill")].filter(Boolean).join(", ") : "");
  const rows = shown.map((alarm) => {
    const got = receipt(alarm), text = make("span", { className: "text", textContent: textOf(alarm) });
    text.style.setProperty("--length", text.textContent.length);
    const stands = alarm.drill && alarm.presence === "on" ? "a test, no alarm" : PRESENCES[alarm.presence];
    const about = [shortly(whose(alarm)), rankName(alarm), stands, `for ${duration(now - alarm.since)}`].filter(Boolean);
    if (typeof alarm.value === "number" && alarm.limit !== null && alarm.limit !== undefined) {
      about.push(`${number(alarm.value, "")}, limit ${alarm.limit}`);
    }
    const row = make("li", { className: rankName(alarm), data: { presence: alarm.presence, id: alarm.id, key: alarm.id } },
      make("span", { className: "mark", textContent: mark(alarm), ariaHidden: "true" }),
      make("span", { className: "words" },
        text,
        make("span", { className: "line" },
          make("b", { className: "receipt", textContent: got?.text ?? "", data: { state: got?.state ?? "" } }),
          make("span", { className: "about", textContent: about.join(" · ") }))));
    if (alarm.presence !== "ack") {
      const button = make("button", { type: "button", textContent: "Acknowledge", disabled: !may("ack") });
      button.setAttribute("aria-label", ["Acknowledge", whose(alarm), textOf(alarm)].filter(Boolean).join(" "));
      Object.assign(button.dataset, { ack: alarm.id, occurrence: alarm.occurrence, seq: alarm.seq, bed: alarm.bed });
      row.append(button);
    }
    return row;
  });
  fill($("standing"), rows);
  const at = shown.map((alarm) => alarm.occurrence), t = performance.now();
  changedAt = at.map((occurrence, i) => (places[i] && places[i] !== occurrence ? t : places[i] ? changedAt[i] : -Infinity));
  places = at;
}

// Another alarm took this one's place only just now: who touches it means the one that stood there.
export function justMoved(occurrence) {
  return performance.now() - (changedAt[places.indexOf(occurrence)] ?? -Infinity) < REACTION_MS;
}

// Alarms that sound at once, those of one message together, as a region says only what it holds last; what became of an alarm,
// and a drill, when the reader has a moment.
export function announce(alarm) {
  if (alarm.sounds && !alarm.drill) {
    if (!news.length) queueMicrotask(speak);
    news.push(alarm);
  } else if (alarm.sounds || alarm.isHanded) $("tell").textContent = [textOf(alarm), whose(alarm), receipt(alarm)?.text].filter(Boolean).join(": ");
}

function speak() {
  $("announce").textContent = news.sort(byUrgency).map((alarm) => [`${alarm.priority} priority alarm`, whose(alarm), textOf(alarm)].filter(Boolean).join(": ")).join(". ");
  news = [];
}

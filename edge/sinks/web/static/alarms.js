// Alarms as they stand, highest first, each with its own acknowledgement; new ones are also spoken.

import { $, fill, make, put } from "./dom.js";
import { may, standing, state } from "./state.js";
import { duration, MARKS, PRESENCES, textOf } from "./words.js";

export function showAlarms(now, severalBeds) {
  const shown = state.connected ? standing() : [];
  $("quiet").hidden = shown.length > 0 || !state.connected;
  put($("count"), shown.length > 1 ? `${shown.length} alarms` : "");
  const rows = shown.map((alarm) => {
    const about = [alarm.priority, PRESENCES[alarm.presence], `for ${duration(now - alarm.since)}`];
    if (severalBeds || alarm.bed !== state.bed) about.unshift(alarm.bed === "_device" ? "this device" : alarm.bed);
    if (typeof alarm.value === "number" && alarm.limit !== null && alarm.limit !== undefined) {
      about.push(`${Math.round(alarm.value * 10) / 10}, limit ${alarm.limit}`);
    }
    const row = make("li", { className: alarm.priority, data: { presence: alarm.presence, id: alarm.id } },
      make("span", { className: "mark", textContent: MARKS[alarm.priority], ariaHidden: "true" }),
      make("span", { className: "words" },
        make("span", { className: "text", textContent: textOf(alarm) }),
        make("span", { className: "about", textContent: about.join(" · ") })));
    if (alarm.presence !== "ack") {
      const button = make("button", { type: "button", textContent: "Acknowledge", disabled: !may("ack") });
      button.setAttribute("aria-label", `Acknowledge ${textOf(alarm)}`);
      Object.assign(button.dataset, { ack: alarm.id, occurrence: alarm.occurrence, bed: alarm.bed });
      row.append(button);
    }
    return row;
  });
  refill($("standing"), rows);
}

// The age of an alarm changes every second; the button under somebody's finger or focus must not.
function refill(list, rows) {
  const key = (row) => `${row.dataset.id} ${row.dataset.presence} ${row.className} ${row.querySelector("button")?.dataset.occurrence} ${row.querySelector("button")?.disabled}`;
  const same = list.children.length === rows.length && rows.every((row, i) => key(row) === key(list.children[i]));
  if (!same) {
    fill(list, rows);
    return;
  }
  rows.forEach((row, i) => {
    for (const name of ["text", "about"]) put(list.children[i].querySelector(`.${name}`), row.querySelector(`.${name}`).textContent);
  });
}

export function announce(alarm) {
  if (alarm.isNew) $("announce").textContent = `${alarm.priority} priority alarm: ${textOf(alarm)}`;
}

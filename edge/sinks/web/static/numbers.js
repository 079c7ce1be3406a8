// Large numbers and verdicts of one bed: a value with its quality, or no value and why.

import { $, fill, make, put } from "./dom.js";
import { may, readingsOf, state, unfit } from "./state.js";
import { duration, metric, murmur, number, percent, quality, reason, rhythm } from "./words.js";

const RATES = ["fused.hr", "ppg.hr", "pcg.hr", "camera.hr"];
const SHOWN = new Set([...RATES, "ppg.rhythm", "pcg.murmur"]);

const VERDICT = { present: "murmur", absent: "no murmur", unknown: "cannot tell" };

const part = (tile, name) => tile.querySelector(`[data-part="${name}"]`);

function set(tile, value, why, unknown, warn = false) {
  put(part(tile, "value"), value);
  part(tile, "value").classList.toggle("three", value.length > 2);
  tile.classList.toggle("unknown", unknown);
  tile.classList.toggle("warn", warn);
  const line = part(tile, "why");
  const next = why.map((w) => (typeof w === "string" ? w : `${w.text}|${w.className}`)).join("·");
  if (line.shown === next) return;
  line.shown = next;
  line.replaceChildren(...why.flatMap((w, i) => [i ? " · " : "", typeof w === "string" ? w : make("b", { textContent: w.text, className: w.className })]));
}

const qualityWord = (q) => ({ text: `${quality(q)} signal`, className: quality(q) });

function showRate(readings, now) {
  const tile = $("rate");
  const found = readings.get("fused.hr") ?? RATES.map((m) => readings.get(m)).find((r) => r);
  const why = unfit(found, now);
  if (why) set(tile, "--", [reason(why)], true);
  else {
    const agree = found.d.agree?.length ?? 0;
    const known = RATES.filter((m) => m !== "fused.hr" && !unfit(readings.get(m), now)).length;
    const sources = found.m !== "fused.hr" ? metric(found.m) : agree > 1 ? `${agree} of ${known} sources agree` : "one source";
    set(tile, number(found.v, "bpm"), [qualityWord(found.q), sources], false);
  }
  const rows = RATES.slice(1).filter((m) => readings.has(m)).map((m) => {
    const reading = readings.get(m), no = unfit(reading, now);
    const row = make("div", {}, make("dt", { textContent: metric(m) }), make("dd", { textContent: no ? "--" : number(reading.v, "bpm") }));
    if (no && state.connected) row.append(make("dd", { className: "words", textContent: reason(no) }));
    return row;
  });
  fill(part(tile, "lanes"), rows);
}

function showVerdict(tile, reading, judge, now, more = []) {
  const why = unfit(reading, now);
  if (why) return set(tile, "--", [reason(why)], true);
  const { text, sure, notable } = judge(reading);
  const about = sure === null ? [] : [`${percent(sure)} sure`];
  if (reading.since !== null) about.push(`for ${duration(now - reading.since)}`);
  return set(tile, text, [...about, qualityWord(reading.q), ...more], false, notable);
}

// What several sites heard of this person say together; one says no more than the verdict itself.
function overSites(reading) {
  const patient = reading?.d.patient, sites = Object.keys(patient?.sites ?? {});
  if (sites.length < 2) return [];
  const heard = sites.filter((site) => patient.sites[site].decision_together === "present");
  const where = patient.decision === "present" && heard.length ? ` (${heard.join(", ")})` : "";
  return [`${sites.join(", ")}: ${VERDICT[patient.decision]}${where}`];
}

function showSite(reading) {
  const site = state.places.get(state.bed)?.site ?? state.hello?.layout[state.bed]?.site;
  put(part($("murmur"), "site"), site ? `at ${site}` : "");
  $("site").hidden = !reading;
  $("site").disabled = !may("site");
}

export function showNumbers(now) {
  const readings = readingsOf(state.bed, now);
  showRate(readings, now);
  showVerdict($("rhythm"), readings.get("ppg.rhythm"), rhythm, now);
  showVerdict($("murmur"), readings.get("pcg.murmur"), murmur, now, overSites(readings.get("pcg.murmur")));
  showSite(readings.get("pcg.murmur"));
  const others = [...readings.values()].filter((r) => !SHOWN.has(r.m));
  fill($("others"), others.map((r) => {
    const why = unfit(r, now);
    const value = why ? (why === "lost" ? "--" : reason(why)) : `${number(r.v, r.u)} ${r.u}`.trim();
    return make("span", {}, `${metric(r.m)} `, make("b", { textContent: value }));
  }));
}

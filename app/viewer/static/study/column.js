// What surrounds a picture: the slider, which result or series it is, and what must be said instead of it.

import { t } from "../texts.js";
import { day } from "../times.js";
import { percent } from "./dom.js";
import { tail } from "./panel/sections.js";
import { OtherSeries } from "./reading/other_series.js";
import { Reading } from "./reading/reading.js";

/** @typedef {import("./display.js").Display} Display */
/** @typedef {import("./study.js").Column} Column */

// From this status on, the fault is the service's.
const SERVER_ERROR = 500;

/** @param {Column} column @param {HTMLInputElement} slider @param {Display} display */
export function showColumn({ reading, viewport, element: column }, slider, display) {
  const here = { number: reading.index + 1, count: reading.slices };
  slider.max = String(Math.max(reading.slices - 1, 0));
  slider.value = String(reading.index);
  slider.disabled = !reading.slices;
  slider.setAttribute("aria-valuetext", t("study.slice", here));
  viewport.canvas.setAttribute("aria-label", reading.slices ? t("study.view", here) : t("study.view.empty"));
  const said = /** @type {any} */ (column.querySelector(".state"));
  said.textContent = state(reading);
  // No sentence may cover a slice.
  said.classList.toggle("aside", Boolean(reading.volume) && reading.levels(reading.index) !== null);
  /** @type {any} */ (column.querySelector(".which")).textContent = which(reading, display);
}

/** Which result or series it is, and what it says. @param {Reading | OtherSeries} reading @param {Display} display */
function which(reading, display) {
  if (reading instanceof OtherSeries) return t("series.which", { series: reading.called || t("series.unnamed"), uid: tail(reading.uid) });
  if (!reading.slices) return "";
  const { answer: { bundle, created, result, study }, date } = reading;
  const made = t("study.which", { bundle: bundle.name, created: created.slice(0, 10) });
  const name = date ? t("study.which.dated", { date: day(date), side: t(`study.side.${study.laterality}`), made }) : made;
  return display.opinion ? `${name}: ${result.predicted}, ${percent(result.probabilities[result.predicted])}` : name;
}

/** What the reader must be told instead of a picture; "" if there is one. @param {Reading | OtherSeries} reading */
function state(reading) {
  if (reading.away) return `${reading.away} ${t("study.goes_on")}`;
  if (reading.refused) return reading.refused;
  const untold = reading instanceof Reading ? unanswered(reading) : "";
  if (untold) return untold;
  if (reading.pixels.state === "missing") return reading.pixels.said;
  if (!reading.volume && reading instanceof OtherSeries) return t("series.asking");
  if (!reading.volume || !reading.levels(reading.index)) return t("study.arriving", { arrived: reading.arrived, count: reading.slices });
  return reading.maps.state === "missing" ? reading.maps.said : "";
}

/** Why there is no result; "" if there is one. @param {Reading} reading */
function unanswered({ answer }) {
  if (!answer) return t("study.asking");
  if (answer.status === "queued") return t("study.queued");
  return answer.status === "failed" ? failed(answer.problem) : "";
}

/** Why there is no result: the study was refused, or the service has failed. @param {any} problem */
function failed({ status, title, detail }) {
  return t(status < SERVER_ERROR ? "study.failed" : "study.gave_up", { reason: detail ?? title });
}

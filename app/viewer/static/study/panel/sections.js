// Sections of the side panel: what the model says, in plain words, and what it is worth.

import { t } from "../../texts.js";
import { day } from "../../times.js";
import { element, percent, terms } from "../dom.js";

/** @typedef {import("../reading/reading.js").Reading} Reading */

const DIGITS = 2;
// Hexadecimal digits of a digest that tell bundles apart.
const SHORT = 12;
const POINTING = /\bpeak\b/;

/**
 * What the model says.
 * @param {Reading} reading
 * @returns {Node[]}
 */
export function opinion({ answer: { result } }) {
  const said = [element("p", { class: "verdict" }, t("study.predicted"), element("strong", {}, result.predicted))];
  const rows = result.classes.map((/** @type {string} */ name) => probability(name, result.probabilities[name], name === result.predicted));
  const parts = [...said, element("ul", { class: "probabilities" }, ...rows)];
  const grade = expectedGrade(result);
  if (grade !== null) parts.push(element("p", {}, t("study.grade", { grade: grade.toFixed(1) })));
  return [...parts, ...verdict(result)];
}

/**
 * The mean grade under the probabilities (models/severity.py); null if the classes are no grades.
 * @param {{scheme: string, classes: string[], probabilities: Record<string, number>}} result
 */
export function expectedGrade({ scheme, classes, probabilities }) {
  if (scheme !== "four_class") return null;
  return classes.reduce((sum, name, grade) => sum + grade * probabilities[name], 0);
}

/**
 * What the reader should know before believing it.
 * @param {Reading} reading
 */
export function warnings({ answer: { warnings: told } }) {
  if (!told.length) return [element("p", {}, t("study.no_warnings"))];
  return [element("ul", {}, ...told.map((/** @type {any} */ one) => element("li", {}, one.message)))];
}

/**
 * What was predicted on.
 * @param {Reading} reading
 */
export function basis({ answer: { study }, date }) {
  const { slices, rows, columns, spacing_mm: spacing } = study.volume;
  const facts = terms([
    [t("study.date"), date ? day(date) : t("study.date.unknown")],
    [t("study.side"), t(`study.side.${study.laterality}`)],
    [t("study.size"), t("study.size.value", { slices, rows, columns })],
    [t("study.spacing"), t("study.spacing.value", { apart: short(spacing[0]), down: short(spacing[1]), across: short(spacing[2]) })],
  ]);
  return [facts];
}

/**
 * The model, and its figures.
 * @param {Reading} reading
 * @param {any[]} models that are loaded
 */
export function model({ answer: { bundle, explanation } }, models) {
  const loaded = models.find((one) => one.sha256 === bundle.sha256);
  const figures = loaded?.metrics.figures ?? [];
  const [pointing, others] = [true, false].map((wanted) => figures.filter((/** @type {any} */ one) => POINTING.test(one.name) === wanted));
  const facts = terms([
    [t("study.bundle"), `${bundle.name} (${bundle.route})`],
    [t("study.version"), element("code", {}, bundle.sha256.slice(0, SHORT))],
    [t("study.trained_on"), trainedOn(bundle, loaded)],
    [t("study.trained_at"), bundle.trained_at ?? t("study.trained_at.unknown")],
    [t("study.method"), `${explanation.method}: ${t(explanation.exact ? "study.method.exact" : "study.method.estimate")}`],
  ]);
  if (!loaded) return [facts, element("p", {}, t("study.not_loaded"))];
  return [
    facts,
    element("p", {}, element("a", { href: loaded.model_card }, t("study.model_card"))),
    element("h3", {}, t("study.figures")),
    others.length ? table(others) : element("p", {}, t("study.figures.none")),
    element("h3", {}, t("study.trust")),
    pointing.length ? table(pointing) : element("p", {}, t("study.trust.unknown")),
  ];
}

/** @param {string} name @param {number} value @param {boolean} isPredicted */
function probability(name, value, isPredicted) {
  const bar = element("span", { class: "bar" });
  bar.style.setProperty("--share", String(value));
  const label = element("span", { class: "name" }, name);
  return element("li", { class: isPredicted ? "predicted" : "" }, label, element("span", { class: "value" }, percent(value)), bar);
}

/**
 * What the bundle's operating point says of it, if the bundle has one.
 * @param {any} result
 */
function verdict({ operating_point: point }) {
  return [element("p", { class: point ? "" : "quiet" }, point ? point.message : t("study.no_operating_point"))];
}

/** @param {any} bundle @param {any} loaded */
function trainedOn(bundle, loaded) {
  const exams = loaded?.manifest.exams?.train;
  const what = bundle.trained_on === "synthetic" ? t("study.synthetic") : bundle.trained_on;
  return exams ? `${what}; ${t("study.exams", { count: exams })}` : what;
}

/** @param {any[]} figures */
function table(figures) {
  const row = (/** @type {any} */ one) =>
    element("tr", { title: one.measured_on ?? "" }, element("th", { scope: "row" }, one.name), element("td", {}, figure(one)), element("td", {}, String(one.exams ?? "")));
  const heads = ["study.figure", "study.value", "study.measured"].map((name) => element("th", { scope: "col" }, t(name)));
  const measured = [...new Set(figures.map((one) => one.measured_on).filter(Boolean))];
  return element("div", {},
    element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...figures.map(row))),
    ...measured.map((text) => element("p", { class: "quiet" }, t("study.measured_on", { what: text }))));
}

/** A value with its 95 % interval. @param {any} one */
function figure({ value, interval_95: interval }) {
  const [shown, low, high] = [value, ...(interval ?? [])].map((number) => number?.toFixed(DIGITS));
  return low === undefined ? shown : `${shown} (${low} – ${high})`;
}

/** @param {number} value in mm */
function short(value) {
  return String(Number(value.toFixed(DIGITS)));
}

/** The end of a UID, which tells series apart. @param {string} uid */
export function tail(uid) {
  return uid.length > SHORT ? `…${uid.slice(-SHORT)}` : uid || t("study.no_uid");
}

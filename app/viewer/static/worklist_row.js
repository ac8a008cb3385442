// A row of the worklist. Everything that comes from a study becomes text, never markup.

import { t } from "./texts.js";
import { day, localTime } from "./times.js";

const SIGNS = { receiving: "⇣", queued: "…", running: "⟳", done: "✓", failed: "✕" };
const TAIL = 8;

/**
 * An element with a class and children; strings become text.
 * @param {string} name
 * @param {string} [className]
 * @param {...(Node | string | null)} children
 * @returns {HTMLElement}
 */
function make(name, className = "", ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  for (const child of children) if (child) made.append(child);
  return made;
}

/**
 * The row of a prediction, or of a study that is still being received.
 * @param {any} one
 * @param {boolean} showsPatients
 * @returns {HTMLElement}
 */
export function row(one, showsPatients) {
  const made = make(
    "tr",
    one.superseded_by ? "replaced" : "",
    cell("study", ...study(one, showsPatients)),
    cell("received", time(one.created ?? one.received)),
    cell("side", one.laterality ? t(`worklist.side.${one.laterality}`) : ""),
    cell("state", ...state(one)),
    cell("finding", ...finding(one)),
    cell("unhealthy", ...probability(one.unhealthy)),
    cell("reviewed", reviewed(one)),
    cell("warnings", warnings(one.warnings ?? [])),
    cell("bundle", one.bundle ?? ""),
  );
  made.id = `row-${one.id ?? one.study_uid}`;
  if (one.id) made.dataset.entry = one.id;
  return made;
}

/**
 * @param {string} name
 * @param {...(Node | string | null)} children
 */
const cell = (name, ...children) => make("td", name, ...children);

/**
 * @param {any} one
 * @param {boolean} showsPatients
 */
function study(one, showsPatients) {
  const title = one.study_date ? t("worklist.of", { date: day(one.study_date) }) : t("worklist.undated");
  const name = showsPatients && one.patient ? named(one.patient) : "";
  const uid = make("span", "quiet uid", t("worklist.uid", { tail: one.study_uid.slice(-TAIL) }));
  uid.title = one.study_uid;
  const link = make(one.id ? "a" : "span", "title", name || title);
  if (link instanceof HTMLAnchorElement) {
    link.href = `/studies/${one.id}`;
    // Links with the same text lead to different studies.
    link.append(make("span", "unseen", `, ${t("worklist.uid", { tail: one.study_uid.slice(-TAIL) })}`));
  }
  return [
    link,
    one.synthetic ? make("span", "badge", t("worklist.synthetic")) : null,
    one.superseded_by ? make("span", "badge", t("worklist.replaced")) : null,
    make("br"),
    name ? make("span", "quiet", `${title} · `) : null,
    uid,
  ];
}

/** DICOM writes names with ^ between their parts. @param {{name: string, id: string}} patient */
const named = ({ name, id }) => [name.split("^").filter(Boolean).join(", "), id].filter(Boolean).join(" · ");

/** @param {string} text In UTC, ISO 8601. */
function time(text) {
  const made = /** @type {HTMLTimeElement} */ (make("time", "", localTime(text)));
  made.dateTime = text;
  return made;
}

/** @param {any} one */
function state(one) {
  const name = /** @type {keyof typeof SIGNS} */ (one.state ?? "receiving");
  const sign = make("span", `sign ${name}${name === "running" ? " turning" : ""}`, SIGNS[name]);
  sign.setAttribute("aria-hidden", "true");
  const instances = one.instances ? t("worklist.instances", { count: one.instances }) : "";
  return [sign, " ", t(`worklist.state.${name}`), one.problem || instances ? make("p", "why", one.problem ?? instances) : null, undelivered(one)];
}

/** A link to the deliveries that were given up. @param {any} one */
function undelivered(one) {
  if (!one.given_up) return null;
  const link = /** @type {HTMLAnchorElement} */ (make("a", "badge", t("worklist.given_up", { count: one.given_up })));
  link.href = `/studies/${one.id}#deliveries`;
  return make("p", "why", link);
}

/** @param {any} one */
function reviewed(one) {
  if (one.state !== "done") return "";
  return one.readers ? t("worklist.readers", { count: one.readers }) : t("worklist.unread");
}

/** @param {any} one */
function finding(one) {
  if (one.withheld) return [make("span", "why", t("worklist.withheld"))];
  if (!one.predicted) return [];
  const point = one.operating_point;
  if (!point) return [one.predicted];
  const verdict = make("p", point.positive ? "verdict positive" : "verdict", t(point.positive ? "worklist.positive" : "worklist.negative"));
  verdict.title = point.message ?? "";
  return [one.predicted, verdict];
}

/** @param {number | null} value */
function probability(value) {
  if (value === null || value === undefined) return [];
  const bar = make("span", "bar", make("span", "part"));
  /** @type {HTMLElement} */ (bar.firstElementChild).style.width = `${100 * value}%`;
  bar.setAttribute("aria-hidden", "true");
  // 100 % and 0 % would say that it is certain.
  const percent = value > 0.995 ? "> 99" : value < 0.005 ? "< 1" : Math.round(100 * value);
  return [make("span", "percent", `${percent} %`), bar];
}

/** @param {{code: string, message: string}[]} all */
function warnings(all) {
  if (!all.length) return "";
  const summary = make("summary", "", all.map((one) => one.code.replaceAll("_", " ").replaceAll("-", " ")).join(", "));
  return make("details", "", summary, ...all.map((one) => make("p", "why", one.message)));
}

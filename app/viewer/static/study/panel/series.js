// The other series of the study: why each was passed over, a look at it, and another prediction on it.

import { askJson, Refusal } from "../../service.js";
import { t } from "../../texts.js";
import { element } from "../dom.js";
import { named, OtherSeries } from "../reading/other_series.js";
import { tail } from "./sections.js";
import { page } from "../study.js";

/** @typedef {{series_uid: string, predicted_on: boolean, reasons: string[], held: boolean, instances: number | null, modality: string | null, number: string | null, description: string | null}} Series */

const section = /** @type {HTMLElement} */ (document.getElementById("others"));
const place = /** @type {HTMLElement} */ (document.getElementById("series"));
const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("choose"));
const sentence = /** @type {HTMLElement} */ (document.getElementById("choose-said"));
const confirm = /** @type {HTMLButtonElement} */ (document.getElementById("choose-yes"));

/** Ask for the series of the study that the panel is about, and list them. */
async function refresh() {
  try {
    const { study_uid: study, held, series, files } = await askJson(`/v1/predictions/${encodeURIComponent(page.result.id)}/series`);
    for (const { reading } of page.columns) if (reading instanceof OtherSeries) reading.name(series);
    // Of the series that was predicted on, other parts may have been passed over.
    const others = series.filter((/** @type {Series} */ one) => !one.predicted_on || one.reasons.length);
    section.dataset.others = String(held ? others.length : 0);
    const list = others.length ? element("ul", { class: "series" }, ...others.map((/** @type {Series} */ one) => row(one, study))) : element("p", {}, t("series.none"));
    const asked = page.result.answer?.study?.series_chosen_by === "request";
    const parts = [...(asked ? [element("p", {}, t("series.asked"))] : []), list];
    if (others.length && !held) parts.push(element("p", { class: "quiet" }, t("series.not_kept")));
    place.replaceChildren(...parts, ...files.map((/** @type {string} */ reason) => element("p", {}, t("series.files", { reason }))));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    place.replaceChildren(element("p", { class: "alarm" }, error.message || t("study.away")));
  }
  page.display.changed();
}

/** @param {Series} one @param {string} study its UID */
function row(one, study) {
  const facts = [one.number && t("series.number", { number: one.number }), one.modality, one.instances && t("series.instances", { count: one.instances })];
  const said = one.reasons.length || !isDone() ? one.reasons : [t("series.later")];
  const parts = [
    element("strong", {}, named(one)),
    element("span", { class: "quiet" }, ` ${facts.filter(Boolean).join(", ")} `),
    element("code", {}, tail(one.series_uid)),
    ...(one.predicted_on ? [element("p", {}, t("series.partly"))] : []),
    ...said.map((reason) => element("p", {}, reason)),
  ];
  if (one.held) parts.push(element("p", { class: "acts" }, look(one), ...(one.predicted_on ? [] : [use(one, study)])));
  return element("li", { "data-series": one.series_uid }, ...parts);
}

/** Whether there is a result, which another series' result would replace. */
function isDone() {
  return page.result.answer?.status === "done";
}

/** A link that shows the series beside the result, or closes it. @param {Series} one */
function look(one) {
  const address = `/studies/${page.result.id}`;
  if (page.readings.some((shown) => shown instanceof OtherSeries && shown.uid === one.series_uid)) {
    return element("a", { href: address, "aria-label": t("series.close.named", { series: named(one) }) }, t("series.close"));
  }
  const query = new URLSearchParams({ series: one.series_uid });
  return element("a", { href: `${address}?${query}`, "aria-label": t("series.look.named", { series: named(one) }) }, t("series.look"));
}

/** @param {Series} one @param {string} study */
function use(one, study) {
  const ask = () => {
    sentence.textContent = "";
    confirm.disabled = false;
    /** @type {HTMLElement} */ (document.getElementById("choose-means")).textContent = t(isDone() ? "series.choose.replaces" : "series.choose.becomes");
    /** @type {HTMLElement} */ (document.getElementById("choose-what")).textContent = t("series.choose.what", { series: named(one), uid: tail(one.series_uid) });
    confirm.onclick = () => choose(one, study);
    dialog.showModal();
  };
  return element("button", { type: "button", onclick: ask, "aria-label": t(isDone() ? "series.instead.named" : "series.use.named", { series: named(one) }) }, t(isDone() ? "series.instead" : "series.use"));
}

/** Have a series judged, and go to the new result. @param {Series} one @param {string} study */
async function choose(one, study) {
  confirm.disabled = true;
  sentence.textContent = t("series.choose.waits");
  const query = new URLSearchParams({ series_uid: one.series_uid });
  const bundle = page.result.answer?.bundle?.name;
  if (bundle) query.set("bundle", bundle);
  const headers = { "Content-Type": "application/json", Prefer: "respond-async" };
  try {
    const { id } = await askJson(`/v1/predictions?${query}`, { method: "POST", headers, body: JSON.stringify({ study_uid: study }) });
    location.assign(`/studies/${id}`);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    sentence.textContent = t("series.choose.refused", { reason: error.message || t("study.away") });
    confirm.disabled = false;
  }
}

/** The parts of the series that is looked at, where there are several. @param {import("../study.js").Column} column */
function offerParts({ reading, element: column }) {
  const select = /** @type {HTMLSelectElement} */ (column.querySelector(".part select"));
  reading.show(() => {
    const { parts = [], part = 0, not_read: lost = 0 } = reading.volume ?? {};
    const label = /** @type {HTMLElement} */ (column.querySelector(".part"));
    label.hidden = parts.length < 2;
    /** @type {HTMLElement} */ (column.querySelector(".lost")).textContent = lost ? t("series.lost", { count: lost }) : "";
    if (select.length === parts.length) return;
    select.replaceChildren(...parts.map((/** @type {any} */ one, /** @type {number} */ at) => element("option", { value: String(at), selected: at === part }, t("series.part", { number: at + 1, images: one.images, plane: t(`series.plane.${one.plane ?? "unknown"}`) }))));
  });
  select.addEventListener("change", () => {
    const query = new URLSearchParams(location.search);
    query.set("part", select.value);
    location.search = query.toString();
  });
}

for (const column of page.columns) if (column.reading instanceof OtherSeries) offerParts(column);
document.getElementById("choose-no")?.addEventListener("click", () => dialog.close());
let about = "";
page.onChange(() => {
  const { id, answer } = page.result;
  const state = `${id} ${answer?.status}`;
  if (!answer || answer.status === "queued" || state === about) return;
  about = state;
  refresh();
});

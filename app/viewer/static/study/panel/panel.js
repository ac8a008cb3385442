// Fills the side panel: what the model says, and which results there are beside this one.

import { t } from "../../texts.js";
import { day } from "../../times.js";
import { element } from "../dom.js";
import { files } from "./files.js";
import { basis, model, opinion, tail, warnings } from "./sections.js";

/** @typedef {import("../reading/reading.js").Reading} Reading */
/** @typedef {import("../study.js").StudyPage} StudyPage */

/** Fill the panel. @param {StudyPage} page */
export function showPanel({ result: active, results, display, models, others, priors, columns: { length: columns } }) {
  showFiles(active);
  const done = active.answer?.status === "done";
  // Scrolling changes nothing here.
  const refused = active.answer?.status === "failed" && Number(byId("others").dataset.others) > 0;
  const content = [active.id, done, refused, active.date, active.class, active.rival, display.opinion, display.asking, models.length, others.length, priors.length];
  if (byId("panel").dataset.content === String(content)) return;
  byId("panel").dataset.content = String(content);
  byId("panel").hidden = !done && !refused;
  byId("study").classList.toggle("refused", refused);
  byId("study").classList.toggle("empty", !done && columns === 1);
  if (!done) return;
  const explained = byId("class");
  const { classes } = active.answer.result;
  const rival = byId("rival");
  if (explained.length !== classes.length) {
    const options = () => classes.map((/** @type {string} */ name) => element("option", { value: name }, name));
    explained.replaceChildren(...options());
    rival.replaceChildren(element("option", { value: "" }, t("study.rival.none")), ...options());
  }
  explained.value = active.class;
  rival.value = active.rival;
  rival.closest("label").hidden = classes.length < 3;
  byId("opinion").hidden = !display.opinion;
  byId("withheld").hidden = display.opinion || display.asking;
  byId("replaced").hidden = !active.answer.superseded_by;
  byId("replacement").href = `/studies/${active.answer.superseded_by}`;
  fill("said", opinion(active));
  fill("warnings", warnings(active));
  fill("basis", basis(active));
  fill("model", model(active, models));
  const choices = others.length ? others : [active.answer];
  const option = (/** @type {any} */ one) => element("option", { value: one.id }, titled(one, choices));
  fill("bundle", choices.map(option));
  byId("bundle").value = active.id;
  const [mine, compared] = results.map((one) => one.id);
  const same = choices.filter((one) => one.id !== mine).map(option);
  const earlier = priors.map((one) => element("option", { value: one.id }, prior(one)));
  const groups = [["study.with.same", same], ["study.with.prior", earlier]].filter(([, options]) => options.length);
  const none = element("option", { value: "" }, t("study.with.none"));
  fill("with", [none, ...groups.map(([label, options]) => element("optgroup", { label: t(/** @type {string} */ (label)) }, .../** @type {HTMLElement[]} */ (options)))]);
  byId("with").value = compared ?? "";
}

/** A result of an earlier study in a list. @param {any} one */
function prior({ study_date: date, created, laterality, bundle }) {
  const side = t(`study.side.${laterality}`);
  return date ? t("study.prior", { date: day(date), side, bundle }) : t("study.prior.undated", { date: created.slice(0, 10), side, bundle });
}

/** Fill the list of files when it is open: it changes with the slice. @param {Reading} reading */
export function showFiles(reading) {
  const [place, content] = [byId("files"), String([reading.id, reading.index])];
  if (!place.open || reading.answer?.status !== "done" || place.dataset.content === content) return;
  place.dataset.content = content;
  fill("linked", files(reading));
}

/** What distinguishes a prediction from others on the same study. @param {any} one @param {any[]} all */
function titled({ bundle, created, study }, all) {
  const values = { bundle: bundle.name, created: created.slice(0, 10), uid: tail(study.series_uid) };
  return t(all.some((other) => other.study.series_uid !== study.series_uid) ? "study.which.series" : "study.which", values);
}

/** @param {string} name @param {Node[]} content */
function fill(name, content) {
  byId(name).replaceChildren(...content);
}

/** @param {string} name @returns {any} */
function byId(name) {
  return document.getElementById(name);
}

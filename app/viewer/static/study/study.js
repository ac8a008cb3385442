// The study page: one reading, or two side by side, with what surrounds them.
//
// Other modules, such as reviews, use `page` and two events of `document`:
//   cruciate:view     {id, index, class, heat, opinion}: what is looked at now
//   cruciate:opinion  {shown}: hide the model's opinion, or show it

import { askJson, Refusal } from "../service.js";
import { t } from "../texts.js";
import { together } from "./compare.js";
import { Display } from "./display.js";
import { element, percent } from "./dom.js";
import { files } from "./files.js";
import { control } from "./input/controls.js";
import { listen } from "./input/gestures.js";
import { Keys } from "./input/keys.js";
import { Measure } from "./input/measure.js";
import { basis, model, opinion, tail, warnings } from "./panel.js";
import { OtherSeries } from "./other_series.js";
import { Reading } from "./reading.js";
import { strip } from "./strip.js";
import { Viewport } from "./viewport.js";

/** @typedef {import("./images.js").Images} Images */
/** @typedef {{reading: Reading | OtherSeries, viewport: Viewport, measure: Measure, element: HTMLElement}} Column */

export class StudyPage {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.keys = new Keys();
    this.display = new Display(root.dataset.overlay === "on");
    const query = new URLSearchParams(location.search);
    const [id, other, series] = [root.dataset.id ?? "", query.get("with"), query.get("series")];
    /** @type {(Reading | OtherSeries)[]} */
    const shown = [new Reading(id)];
    if (series) shown.push(new OtherSeries(/** @type {Reading} */ (shown[0]), series, Number(query.get("part")) || 0));
    else if (other) shown.push(new Reading(other));
    /** @type {any[]} */
    this.models = [];
    /** The predictions of the same study. @type {any[]} */
    this.others = [];
    this.columns = shown.map((one) => this._column(root, one));
    this.column = this.columns[0];
    root.classList.toggle("compared", this.columns.length > 1);
    if (this.columns.length > 1) together(this.readings[0], this.readings[1], () => byId("together").checked);
    byId("together").closest("label").hidden = this.columns.length < 2;
    document.addEventListener("keydown", (event) => this.keys.pressed(event));
    document.addEventListener("cruciate:opinion", (event) => this.display.update({ opinion: /** @type {CustomEvent} */ (event).detail.shown }));
  }

  get readings() {
    return this.columns.map((one) => one.reading);
  }

  /** What keys are about. */
  get active() {
    return this.column.reading;
  }

  /** The predictions. */
  get results() {
    return this.readings.filter((one) => one instanceof Reading);
  }

  /** The prediction that the panel is about. */
  get result() {
    return this.active instanceof Reading ? this.active : this.results[0];
  }

  /** Call `view` now, and after every change at most once a frame. @param {() => void} view */
  onChange(view) {
    this.display.show(view);
    for (const reading of this.readings) reading.show(view);
  }

  async load() {
    await Promise.all([...this.readings.map((reading) => reading.load()), this._loadModels()]);
    if (this.results[0].answer?.status === "failed" && this.columns.length > 1) this._activate(this.columns[1]);
    await this._loadOthers();
    // Whoever waits for it knows that nothing more will come.
    this.root.dataset.complete = "";
  }

  async _loadOthers() {
    const study = this.results[0].answer?.study?.study_uid;
    if (!study) return;
    const path = `/v1/predictions?status=done&study_uid=${study}`;
    this.others = (await askJson(path).catch(() => ({ predictions: [] }))).predictions;
    this.display.changed();
  }

  async _loadModels() {
    this.models = (await askJson("/v1/models").catch(() => ({ models: [] }))).models;
    this.display.changed();
  }

  /** @param {HTMLElement} root @param {Reading | OtherSeries} reading @returns {Column} */
  _column(root, reading) {
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById("column"));
    const made = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild);
    root.querySelector(".columns")?.append(made);
    const viewport = new Viewport(/** @type {HTMLElement} */ (made.querySelector(".stage")), reading, this.display);
    const column = { reading, viewport, measure: new Measure(viewport), element: made };
    listen(viewport);
    if (reading instanceof Reading) strip(/** @type {HTMLElement} */ (made.querySelector(".strip")), reading, this.display);
    made.addEventListener("focusin", () => this._activate(column));
    const slider = /** @type {HTMLInputElement} */ (made.querySelector(".slider"));
    slider.addEventListener("input", () => reading.go(slider.valueAsNumber));
    const show = () => showColumn(column, slider, this.display);
    reading.show(show);
    this.display.addEventListener("change", show);
    return column;
  }

  /** @param {Column} column */
  _activate(column) {
    if (column === this.column) return;
    this.column = column;
    this.display.changed();
  }
}

/** @param {Column} column @param {HTMLInputElement} slider @param {Display} display */
function showColumn({ reading, viewport, element: column }, slider, display) {
  const here = { number: reading.index + 1, count: reading.slices };
  slider.max = String(Math.max(reading.slices - 1, 0));
  slider.value = String(reading.index);
  slider.disabled = !reading.slices;
  slider.setAttribute("aria-valuetext", t("study.slice", here));
  viewport.canvas.setAttribute("aria-label", reading.slices ? t("study.view", here) : t("study.view.empty"));
  /** @type {any} */ (column.querySelector(".state")).textContent = state(reading);
  /** @type {any} */ (column.querySelector(".which")).textContent = which(reading, display);
}

/** Which result or series it is, and what it says. @param {Reading | OtherSeries} reading @param {Display} display */
function which(reading, display) {
  if (reading instanceof OtherSeries) return t("series.which", { series: reading.called || t("series.unnamed"), uid: tail(reading.uid) });
  if (!reading.slices) return "";
  const { bundle, created, result } = reading.answer;
  const name = t("study.which", { bundle: bundle.name, created: created.slice(0, 10) });
  return display.opinion ? `${name}: ${result.predicted}, ${percent(result.probabilities[result.predicted])}` : name;
}

/** What the reader must be told instead of a picture; "" if there is one. @param {Reading | OtherSeries} reading */
function state(reading) {
  if (reading.away) return t("study.away");
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
  return answer.status === "failed" ? t("study.failed", { reason: answer.problem.detail ?? answer.problem.title }) : "";
}

/** Fill the panel. @param {StudyPage} page */
function showPanel({ result: active, display, models, others, columns: { length: columns } }) {
  showFiles(active);
  const done = active.answer?.status === "done";
  // Scrolling changes nothing here.
  const refused = active.answer?.status === "failed" && Number(byId("others").dataset.others) > 0;
  const content = [active.id, done, refused, active.class, active.rival, display.opinion, models.length, others.length];
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
  byId("withheld").hidden = display.opinion;
  byId("replaced").hidden = !active.answer.superseded_by;
  byId("replacement").href = `/studies/${active.answer.superseded_by}`;
  fill("said", opinion(active));
  fill("warnings", warnings(active));
  fill("basis", basis(active));
  fill("model", model(active, models));
  const choices = others.length ? others : [active.answer];
  for (const name of ["bundle", "with"]) {
    const select = byId(name);
    if (select.length === choices.length + (name === "with" ? 1 : 0)) continue;
    const options = choices.map((one) => element("option", { value: one.id, selected: name === "bundle" && one.id === active.id }, titled(one, choices)));
    select.replaceChildren(...(name === "with" ? [element("option", { value: "" }, t("study.with.none"))] : []), ...options);
  }
}

/** What distinguishes a prediction from others on the same study. @param {any} one @param {any[]} all */
function titled({ bundle, created, study }, all) {
  const values = { bundle: bundle.name, created: created.slice(0, 10), uid: tail(study.series_uid) };
  return t(all.some((other) => other.study.series_uid !== study.series_uid) ? "study.which.series" : "study.which", values);
}

/** Fill the list of files when it is open: it changes with the slice. @param {Reading} reading */
function showFiles(reading) {
  const [place, content] = [byId("files"), String([reading.id, reading.index])];
  if (!place.open || reading.answer?.status !== "done" || place.dataset.content === content) return;
  place.dataset.content = content;
  fill("linked", files(reading));
}

/** @param {string} name @param {Node[]} content */
function fill(name, content) {
  byId(name).replaceChildren(...content);
}

/** @param {string} name @returns {any} */
function byId(name) {
  return document.getElementById(name);
}

/** Tell others what is looked at. @param {StudyPage} shown */
function announce({ result: active, display }) {
  const detail = { id: active.id, index: active.index, class: active.class, heat: display.shows(active), opinion: display.opinion };
  document.dispatchEvent(new CustomEvent("cruciate:view", { detail }));
}

/** Explain the chosen class, alone or rather than another one. @param {StudyPage} shown */
function explain({ results, display }) {
  const [chosen, other] = [byId("class").value, byId("rival").value];
  const rival = other === chosen ? "" : other;
  for (const reading of results) {
    const classes = reading.answer?.result?.classes ?? [];
    if (classes.includes(chosen) && (!rival || classes.includes(rival))) reading.update({ class: chosen, rival });
  }
  if (rival) display.update({ both: true });
}

export const page = new StudyPage(byId("study"));
control(page);
page.onChange(() => showPanel(page));
page.onChange(() => announce(page));
for (const name of ["class", "rival"]) byId(name).addEventListener("change", () => explain(page));
byId("files").addEventListener("toggle", () => showFiles(page.result));
byId("bundle").addEventListener("change", () => location.assign(`/studies/${byId("bundle").value}`));
byId("with").addEventListener("change", () => location.assign(`/studies/${page.results[0].id}${byId("with").value ? `?with=${byId("with").value}` : ""}`));
page.load().catch((error) => {
  if (!(error instanceof Refusal)) throw error;
});

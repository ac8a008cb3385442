// The study page: one reading, or two side by side, with what surrounds them.
//
// Other modules, such as reviews, use `page` and two events of `document`:
//   cruciate:view     {id, index, class, heat, opinion}: what is looked at now
//   cruciate:opinion  {shown}: hide the model's opinion, or show it

import { askJson, Refusal } from "../service.js";
import { t } from "../texts.js";
import { day } from "../times.js";
import { together } from "./compare.js";
import { Display } from "./display.js";
import { element, percent } from "./dom.js";
import { files } from "./files.js";
import { control } from "./input/controls.js";
import { listen } from "./input/gestures.js";
import { Keys } from "./input/keys.js";
import { Measure } from "./input/measure.js";
import { basis, model, opinion, warnings } from "./panel.js";
import { Reading } from "./reading.js";
import { strip } from "./strip.js";
import { Viewport } from "./viewport.js";

/** @typedef {{reading: Reading, viewport: Viewport, measure: Measure, element: HTMLElement}} Column */

export class StudyPage {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.keys = new Keys();
    this.display = new Display(root.dataset.overlay === "on");
    const ids = [root.dataset.id ?? "", new URLSearchParams(location.search).get("with")].filter((id) => id);
    /** @type {any[]} */
    this.models = [];
    /** The predictions of the same study. @type {any[]} */
    this.others = [];
    /** Predictions on earlier studies of the same patient. @type {any[]} */
    this.priors = [];
    this.columns = ids.map((id) => this._column(root, /** @type {string} */ (id)));
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

  /** The reading that keys and the panel are about. */
  get active() {
    return this.column.reading;
  }

  /** Call `view` now, and after every change at most once a frame. @param {() => void} view */
  onChange(view) {
    this.display.show(view);
    for (const reading of this.readings) reading.show(view);
  }

  async load() {
    await Promise.all([...this.readings.map((reading) => reading.load()), this._loadModels()]);
    await this._loadOthers();
    // Whoever waits for it knows that nothing more will come.
    this.root.dataset.complete = "";
  }

  async _loadOthers() {
    const study = this.readings[0].answer?.study?.study_uid;
    if (!study) return;
    const path = `/v1/predictions?status=done&study_uid=${study}`;
    const found = Promise.all(this.readings.map((reading) => reading.loadPriors()));
    this.others = (await askJson(path).catch(() => ({ predictions: [] }))).predictions;
    this.priors = (await found)[0];
    this.display.changed();
  }

  async _loadModels() {
    this.models = (await askJson("/v1/models").catch(() => ({ models: [] }))).models;
    this.display.changed();
  }

  /** @param {HTMLElement} root @param {string} id @returns {Column} */
  _column(root, id) {
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById("column"));
    const made = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild);
    root.querySelector(".columns")?.append(made);
    const reading = new Reading(id);
    const viewport = new Viewport(/** @type {HTMLElement} */ (made.querySelector(".stage")), reading, this.display);
    const column = { reading, viewport, measure: new Measure(viewport), element: made };
    listen(viewport);
    strip(/** @type {HTMLElement} */ (made.querySelector(".strip")), reading, this.display);
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
  /** @type {any} */ (column.querySelector(".which")).textContent = reading.slices ? which(reading, display) : "";
}

/** Which result it is, and what it says. @param {Reading} reading @param {Display} display */
function which({ answer: { bundle, created, result, study }, date }, display) {
  const made = t("study.which", { bundle: bundle.name, created: created.slice(0, 10) });
  const name = date ? t("study.which.dated", { date: day(date), side: t(`study.side.${study.laterality}`), made }) : made;
  return display.opinion ? `${name}: ${result.predicted}, ${percent(result.probabilities[result.predicted])}` : name;
}

/** What the reader must be told instead of a picture; "" if there is one. @param {Reading} reading */
function state(reading) {
  if (reading.away) return t("study.away");
  if (reading.refused) return reading.refused;
  if (!reading.answer) return t("study.asking");
  if (reading.answer.status === "queued") return t("study.queued");
  if (reading.answer.status === "failed") return t("study.failed", { reason: reading.answer.problem.detail ?? reading.answer.problem.title });
  if (reading.pixels.state === "missing") return reading.pixels.said;
  if (!reading.levels(reading.index)) return t("study.arriving", { arrived: reading.arrived, count: reading.slices });
  return reading.maps.state === "missing" ? reading.maps.said : "";
}

/** Fill the panel. @param {StudyPage} page */
function showPanel({ active, display, models, others, priors, readings }) {
  showFiles(active);
  const done = active.answer?.status === "done";
  // Scrolling changes nothing here.
  const content = [active.id, done, active.date, active.class, active.rival, display.opinion, models.length, others.length, priors.length];
  if (byId("panel").dataset.content === String(content)) return;
  byId("panel").dataset.content = String(content);
  byId("panel").hidden = !done;
  byId("study").classList.toggle("empty", !done);
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
  const results = others.length ? others : [active.answer];
  fill("bundle", results.map(option));
  byId("bundle").value = active.id;
  const [mine, compared] = readings.map((one) => one.id);
  const same = results.filter((one) => one.id !== mine).map(option);
  const earlier = priors.map((one) => element("option", { value: one.id }, prior(one)));
  const groups = [["study.with.same", same], ["study.with.prior", earlier]].filter(([, options]) => options.length);
  const none = element("option", { value: "" }, t("study.with.none"));
  fill("with", [none, ...groups.map(([label, options]) => element("optgroup", { label: t(/** @type {string} */ (label)) }, .../** @type {HTMLElement[]} */ (options)))]);
  byId("with").value = compared ?? "";
}

/** A result of this study in a list. @param {any} one */
function option({ id, bundle, created }) {
  return element("option", { value: id }, t("study.which", { bundle: bundle.name, created: created.slice(0, 10) }));
}

/** A result of an earlier study in a list. @param {any} one */
function prior({ study_date: date, created, laterality, bundle }) {
  const side = t(`study.side.${laterality}`);
  return date ? t("study.prior", { date: day(date), side, bundle }) : t("study.prior.undated", { date: created.slice(0, 10), side, bundle });
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
function announce({ active, display }) {
  const detail = { id: active.id, index: active.index, class: active.class, heat: display.shows(active), opinion: display.opinion };
  document.dispatchEvent(new CustomEvent("cruciate:view", { detail }));
}

/** Explain the chosen class, alone or rather than another one. @param {StudyPage} shown */
function explain({ readings, display }) {
  const [chosen, other] = [byId("class").value, byId("rival").value];
  const rival = other === chosen ? "" : other;
  for (const reading of readings) {
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
byId("files").addEventListener("toggle", () => showFiles(page.active));
byId("bundle").addEventListener("change", () => location.assign(`/studies/${byId("bundle").value}`));
byId("with").addEventListener("change", () => location.assign(`/studies/${page.readings[0].id}${byId("with").value ? `?with=${byId("with").value}` : ""}`));
page.load().catch((error) => {
  if (!(error instanceof Refusal)) throw error;
});

// The study page: one reading, or two side by side, with what surrounds them.
//
// Other modules, such as reviews, use `page` and two events of `document`:
//   cruciate:view     {id, index, class, heat, opinion}: what is looked at now
//   cruciate:opinion  {shown, asking}: hide the model's opinion, or show it; whether that isn't known yet

import { askJson, patiently, Refusal } from "../service.js";
import { showColumn } from "./column.js";
import { together } from "./compare.js";
import { Display } from "./display.js";
import { control } from "./input/controls.js";
import { listen } from "./input/gestures.js";
import { Keys } from "./input/keys.js";
import { Measure } from "./input/measure.js";
import { showFiles, showPanel } from "./panel/panel.js";
import { OtherSeries } from "./reading/other_series.js";
import { Reading } from "./reading/reading.js";
import { strip } from "./strip.js";
import { Viewport } from "./viewport.js";

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
    /** Predictions on earlier studies of the same patient. @type {any[]} */
    this.priors = [];
    this.columns = shown.map((one) => this._column(root, one));
    this.column = this.columns[0];
    root.classList.toggle("compared", this.columns.length > 1);
    if (this.columns.length > 1) together(this.readings[0], this.readings[1], () => byId("together").checked);
    byId("together").closest("label").hidden = this.columns.length < 2;
    document.addEventListener("keydown", (event) => this.keys.pressed(event));
    document.addEventListener("cruciate:opinion", (event) => {
      const { shown, asking = false } = /** @type {CustomEvent} */ (event).detail;
      this.display.update({ opinion: shown, asking });
    });
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
    const found = Promise.all(this.results.map((reading) => reading.loadPriors()));
    this.others = (await patiently(() => askJson(path)).catch(() => ({ predictions: [] }))).predictions;
    this.priors = (await found)[0];
    this.display.changed();
  }

  async _loadModels() {
    this.models = (await patiently(() => askJson("/v1/models")).catch(() => ({ models: [] }))).models;
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

// A prediction that somebody reads: what the service says of it, and what is looked at.

import { ask, askJson } from "../../service.js";
import { t } from "../../texts.js";
import { carryBack, spread } from "../arithmetic/spread.js";
import { readArray } from "./arrays.js";
import { Images, said, sleep } from "./images.js";

/** @typedef {import("./images.js").Part} Part */

// Milliseconds between two looks at a queued study.
const LOOK_MS = 1000;

export class Reading extends Images {
  /** @param {string} id of the prediction */
  constructor(id) {
    super(`/v1/predictions/${encodeURIComponent(id)}`);
    this.id = id;
    /** What the service answers; null until it does. @type {any} */
    this.answer = null;
    /** When the study was made, as DICOM writes it; "" if that isn't known. */
    this.date = "";
    /** @type {any} */
    this.grid = null;
    /** @type {Part} */
    this.maps = { state: "loading", said: "" };
    this.class = "";
    /** The class that it is compared with: "" for none. Its evidence is then taken off. */
    this.rival = "";
    /** @type {Set<number>} */
    this._hurried = new Set();
    /** @type {Float32Array} */
    this._cells = new Float32Array(0);
    /** @type {import("../arithmetic/spread.js").Spread | null} */
    this._rows = null;
    /** @type {import("../arithmetic/spread.js").Spread | null} */
    this._columns = null;
    /** @type {{key: string, plane: Float32Array | null}} */
    this._plane = { key: "", plane: null };
  }

  /** Go to a slice; beyond the ends, to the last one. @param {number} index */
  go(index) {
    const before = this.index;
    super.go(index);
    // If it fails, the whole volume fails, too, and says so.
    if (this.index !== before && this.volume && this.pixels.state === "loading") this._hurry(this.index).catch(() => {});
  }

  /** Ask for everything, in the order in which it is needed. */
  async load() {
    // Most predictions are done: then this is the volume. It is null where there is none yet, and is asked for again.
    const early = this._askVolume().catch(() => null);
    await this._follow();
    if (this.answer?.status !== "done") return;
    this.update({ index: Math.floor(this.slices / 2), class: this.answer.explanation.class });
    await Promise.all([this._loadPixels(early), this._loadMaps()]);
  }

  /** Ask when the study was made, and for earlier ones of the same patient. Without an answer, there are none. */
  async loadPriors() {
    const told = await askJson(`/v1/predictions/${this.id}/priors`).catch(() => ({ priors: [], study_date: null }));
    this.update({ date: told.study_date ?? "" });
    return told.priors;
  }

  get slices() {
    return this.answer?.status === "done" ? this.answer.study.volume.slices : 0;
  }

  /** Size and spacing of a slice. */
  get slice() {
    const { rows, columns, spacing_mm: spacing } = this.answer.study.volume;
    return { rows, columns, down: spacing[1], across: spacing[2] };
  }

  get study() {
    return this.answer.study.study_uid;
  }

  get box() {
    return this.answer.study.localisation?.box ?? null;
  }

  /** The colour scale of the class that is looked at. */
  get scale() {
    return this.grid?.classes.find((/** @type {any} */ one) => one.class === this.class) ?? null;
  }

  /** The share of each slice in the score of the class that is looked at. @returns {number[]} */
  get contributions() {
    const { explanation } = this.answer;
    if (this.class === explanation.class && !this.rival) return explanation.slices.map((/** @type {any} */ one) => one.contribution);
    if (!this.grid) return [];
    return Array.from({ length: this.slices }, (_, index) => this._cellsOf(index)?.reduce((sum, one) => sum + one, 0) ?? 0);
  }

  /** A slice of the map of the class that is looked at; null if there is none. */
  plane(index = this.index) {
    const key = JSON.stringify([this.class, this.rival, index]);
    if (this._plane.key !== key || !this._plane.plane) this._plane = { key, plane: this._spread(index) };
    return this._plane.plane;
  }

  /** Whether the model has looked at a slice. @param {number} index */
  isSeen(index) {
    return !this.grid || (this.grid.slices[0] <= index && index < this.grid.slices[1]);
  }

  /** @param {number} index */
  _spread(index) {
    if (!this.grid || !this._cells.length) return null;
    const cells = this._cellsOf(index);
    const { rows, columns } = this.slice;
    if (!cells) return new Float32Array(rows * columns);
    this._rows ??= spread(this.grid.shape[2], this.grid.rows, rows);
    this._columns ??= spread(this.grid.shape[3], this.grid.columns, columns);
    return carryBack(this._rows, this._columns, cells);
  }

  /** The cells of a slice; null if the model hasn't looked at it. @param {number} index */
  _cellsOf(index) {
    if (!this.isSeen(index)) return null;
    const cells = this._cellsFor(this.class, index);
    const others = this.rival ? this._cellsFor(this.rival, index) : null;
    return cells && others ? cells.map((one, at) => one - others[at]) : cells;
  }

  /** @param {string} name of a class @param {number} index */
  _cellsFor(name, index) {
    const [, slices, high, wide] = this.grid.shape;
    const kind = this.grid.classes.findIndex((/** @type {any} */ one) => one.class === name);
    if (kind < 0 || !this._cells.length) return null;
    const at = (kind * slices + index - this.grid.slices[0]) * high * wide;
    return this._cells.subarray(at, at + high * wide);
  }

  /** What the slices and the bias add up to, where the map is exact. */
  get score() {
    const { logits } = this.answer.result;
    return logits[this.class] - (this.rival ? logits[this.rival] : 0);
  }

  /** The class that is explained, in words. */
  get subject() {
    return this.rival ? t("study.rather", { class: this.class, rival: this.rival }) : this.class;
  }

  /** Ask until there is an answer that doesn't change. */
  async _follow() {
    for (;;) {
      try {
        this.update({ answer: await this._patient(() => askJson(this._path)) });
      } catch (error) {
        return this.update({ refused: said(error) });
      }
      if (this.answer.status !== "queued") return;
      await sleep(LOOK_MS);
    }
  }

  async _first() {
    await this._hurry(this.index);
  }

  /** Get a slice before its turn. @param {number} index */
  async _hurry(index) {
    if (this.levels(index) || this._hurried.has(index)) return;
    this._hurried.add(index);
    const { values } = await this._patient(async () => readArray(await ask(`${this._path}/slices/${index}/image.npy`)));
    this._early.set(index, /** @type {Uint16Array} */ (values));
    this.changed();
  }

  async _loadMaps() {
    try {
      const [grid, cells] = await Promise.all([
        this._patient(() => askJson(`${this._path}/grid`)),
        this._patient(async () => readArray(await ask(`${this._path}/grid.npy`))),
      ]);
      this._cells = /** @type {Float32Array} */ (cells.values);
      this.update({ grid, maps: { state: "here", said: "" } });
    } catch (error) {
      this.update({ maps: { state: "missing", said: said(error) } });
    }
  }
}

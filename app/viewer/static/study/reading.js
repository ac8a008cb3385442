// A prediction that somebody reads: what the service says of it, and what is looked at. Views listen to its events
// `change` and show what they find in it.

import { ask, askJson, Refusal } from "../service.js";
import { t } from "../texts.js";
import { along, cross } from "./arithmetic/geometry.js";
import { presets } from "./arithmetic/window.js";
import { carryBack, spread } from "./arithmetic/spread.js";
import { readArray } from "./arrays.js";
import { Observable } from "./observable.js";

/** @typedef {import("./arithmetic/geometry.js").Vector} Vector */
/** @typedef {import("./arithmetic/geometry.js").View} View */
/** @typedef {import("./arithmetic/window.js").Window} Window */
/** @typedef {{state: "loading" | "here" | "missing", said: string}} Part whether pixels or maps can be shown */

// Milliseconds: between two looks at a queued study, and before a request is repeated that nobody answered.
const LOOK_MS = 1000;
const AGAIN_MS = 2000;

export class Reading extends Observable {
  /** @param {string} id of the prediction */
  constructor(id) {
    super();
    this.id = id;
    /** What the service answers; null until it does. @type {any} */
    this.answer = null;
    /** When the study was made, as DICOM writes it; "" if that isn't known. */
    this.date = "";
    /** Why there is no answer, in words; "" if there is one or it is awaited. */
    this.refused = "";
    /** Whether the service doesn't answer now. */
    this.away = false;
    /** @type {any} */
    this.volume = null;
    /** @type {any} */
    this.grid = null;
    /** @type {Part} */
    this.pixels = { state: "loading", said: "" };
    /** @type {Part} */
    this.maps = { state: "loading", said: "" };
    /** How many slices have arrived. */
    this.arrived = 0;
    this.index = 0;
    this.class = "";
    /** The class that it is compared with: "" for none. Its evidence is then taken off. */
    this.rival = "";
    /** @type {Window} */
    this.window = { black: 0, white: 1 };
    this.inverted = false;
    /** @type {Uint16Array} */
    this._levels = new Uint16Array(0);
    /** @type {Map<number, Uint16Array>} */
    this._early = new Map();
    /** @type {Set<number>} */
    this._hurried = new Set();
    /** @type {Float32Array} */
    this._cells = new Float32Array(0);
    /** @type {import("./arithmetic/spread.js").Spread | null} */
    this._rows = null;
    /** @type {import("./arithmetic/spread.js").Spread | null} */
    this._columns = null;
    /** @type {{key: string, plane: Float32Array | null}} */
    this._plane = { key: "", plane: null };
  }

  /** Go to a slice; beyond the ends, to the last one. @param {number} index */
  go(index) {
    const last = this.slices - 1;
    const next = Math.min(Math.max(index, 0), last);
    if (next === this.index) return;
    this.update({ index: next });
    // If it fails, the whole volume fails, too, and says so.
    if (this.volume && this.pixels.state === "loading") this._hurry(next).catch(() => {});
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

  /** Unit vector along which the slices are ordered. */
  get normal() {
    return cross(this.volume.directions[0], this.volume.directions[1]);
  }

  /** Places of the slices along a normal, in mm. @param {Vector} normal */
  places(normal) {
    return along(this.volume.positions_mm, normal);
  }

  /** The levels of a slice; null if they haven't arrived. @param {number} index */
  levels(index) {
    const { rows, columns } = this.slice;
    if (index >= this.arrived) return this._early.get(index) ?? null;
    return this._levels.subarray(index * rows * columns, (index + 1) * rows * columns);
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

  get _path() {
    return `/v1/predictions/${encodeURIComponent(this.id)}`;
  }

  /** @returns {Promise<any>} */
  _askVolume() {
    return this._patient(() => askJson(`${this._path}/volume`));
  }

  /** @param {Promise<any>} early the volume, or null */
  async _loadPixels(early) {
    try {
      const volume = (await early) ?? (await this._askVolume());
      this.update({ volume, window: presets(volume)[0].window });
      await this._hurry(this.index);
      await this._patient(() => this._loadVoxels());
      this.update({ pixels: { state: "here", said: "" } });
      this._early.clear();
    } catch (error) {
      this.update({ pixels: { state: "missing", said: said(error) } });
    }
  }

  /** Get a slice before its turn. @param {number} index */
  async _hurry(index) {
    if (this.levels(index) || this._hurried.has(index)) return;
    this._hurried.add(index);
    const { values } = await this._patient(async () => readArray(await ask(`${this._path}/slices/${index}/image.npy`)));
    this._early.set(index, /** @type {Uint16Array} */ (values));
    this.changed();
  }

  async _loadVoxels() {
    const { rows, columns } = this.slice;
    await readArray(await ask(`${this._path}/volume.npy`), (array, values) => {
      this._levels = /** @type {Uint16Array} */ (array.values);
      const arrived = Math.floor(values / (rows * columns));
      if (arrived !== this.arrived) this.update({ arrived });
    });
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

  /**
   * Ask again as long as nobody answers, or the service isn't ready: it may be restarting.
   * @template T
   * @param {() => Promise<T>} request
   * @returns {Promise<T>}
   */
  async _patient(request) {
    for (;;) {
      try {
        const answered = await request();
        if (this.away) this.update({ away: false });
        return answered;
      } catch (error) {
        if (!isAway(error)) throw error;
        if (!this.away) this.update({ away: true });
        await sleep(AGAIN_MS);
      }
    }
  }
}

/** @param {unknown} error */
function isAway(error) {
  return error instanceof Refusal && [0, 502, 504].includes(error.status);
}

/** @param {unknown} error */
function said(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {number} milliseconds */
function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

// Images that somebody looks at: where they lie, their voxels, and which of them is seen. Views listen to its events
// `change` and show what they find in it.

import { ask, askJson, patiently, Refusal, UNREADY } from "../../service.js";
import { t } from "../../texts.js";
import { along, cross } from "../arithmetic/geometry.js";
import { presets } from "../arithmetic/window.js";
import { readArray } from "./arrays.js";
import { Observable } from "../observable.js";

/** @typedef {import("../arithmetic/geometry.js").Vector} Vector */
/** @typedef {import("../arithmetic/window.js").Window} Window */
/** @typedef {{state: "loading" | "here" | "missing", said: string}} Part whether pixels or maps can be shown */

export class Images extends Observable {
  /** @param {string} path below which `volume` and `volume.npy` are @param {string} [query] of both */
  constructor(path, query = "") {
    super();
    this._path = path;
    this._query = query;
    /** Why there is nothing to see, in words; "" if there is something or it is awaited. */
    this.refused = "";
    /** Why the service doesn't answer now, in words; "" if it does. */
    this.away = "";
    /** What the service says of the voxels; null until it does. @type {any} */
    this.volume = null;
    /** @type {Part} */
    this.pixels = { state: "loading", said: "" };
    /** @type {Part} */
    this.maps = { state: "missing", said: "" };
    /** How many slices have arrived. */
    this.arrived = 0;
    this.index = 0;
    /** The class that the one which is explained is compared with: "" for none. */
    this.rival = "";
    /** @type {Window} */
    this.window = { black: 0, white: 1 };
    this.inverted = false;
    /** @type {Uint16Array} */
    this._levels = new Uint16Array(0);
    /** @type {Map<number, Uint16Array>} */
    this._early = new Map();
  }

  /** Go to a slice; beyond the ends, to the last one. @param {number} index */
  go(index) {
    const next = Math.min(Math.max(index, 0), this.slices - 1);
    if (next !== this.index) this.update({ index: next });
  }

  get slices() {
    return this.volume ? this.volume.shape[0] : 0;
  }

  /** Size and spacing of a slice. A pixel counts as a square of 1 if its size isn't known. */
  get slice() {
    const [, rows, columns] = this.volume.shape;
    const [, down, across] = this.volume.spacing_mm ?? [1, 1, 1];
    return { rows, columns, down, across };
  }

  /** Whether it is known where the slices lie, and how large their pixels are. */
  get isPlaced() {
    return this.volume !== null && this.volume.directions !== null;
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

  /** StudyInstanceUID; "" if it isn't known. */
  get study() {
    return "";
  }

  /** What is written over the images. */
  get remark() {
    return "";
  }

  /** What a model says of them: nothing, unless one has looked. @returns {any} */
  get scale() {
    return null;
  }

  /** The class that is explained, in words. */
  get subject() {
    return "";
  }

  /** @returns {[number, number][] | null} */
  get box() {
    return null;
  }

  /** @returns {number[]} */
  get contributions() {
    return [];
  }

  /** @returns {Float32Array | null} */
  plane() {
    return null;
  }

  /** Whether the model has looked at a slice. @param {number} _ */
  isSeen(_) {
    return true;
  }

  /** @returns {Promise<any>} */
  _askVolume() {
    return this._patient(() => askJson(`${this._path}/volume${this._query}`));
  }

  /** @param {Promise<any> | null} [early] the volume, or null */
  async _loadPixels(early = null) {
    try {
      const volume = (await early) ?? (await this._askVolume());
      this.update({ volume, window: presets(volume)[0].window, ...(this.slices ? {} : { index: Math.floor(volume.shape[0] / 2) }) });
      await this._first();
      await this._patient(() => this._loadVoxels());
      this.update({ pixels: { state: "here", said: "" } });
      this._early.clear();
    } catch (error) {
      this.update({ pixels: { state: "missing", said: said(error) } });
    }
  }

  /** What is loaded before all voxels. */
  async _first() {}

  async _loadVoxels() {
    const { rows, columns } = this.slice;
    await readArray(await ask(`${this._path}/volume.npy${this._query}`), (array, values) => {
      // More images of the series may have come since the description.
      if (array.shape.join() !== [this.slices, rows, columns].join()) throw new Refusal(409, "");
      this._levels = /** @type {Uint16Array} */ (array.values);
      const arrived = Math.floor(values / (rows * columns));
      if (arrived !== this.arrived) this.update({ arrived });
    });
  }

  /**
   * Ask until somebody answers.
   * @template T
   * @param {() => Promise<T>} request
   * @returns {Promise<T>}
   */
  _patient(request) {
    return patiently(request, (refusal) => {
      const away = refusal && (refusal.status === UNREADY ? refusal.message : t("study.away"));
      if (this.away !== (away ?? "")) this.update({ away: away ?? "" });
    });
  }
}

/** Why something failed, in words. @param {unknown} error */
export function said(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {number} milliseconds */
export function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

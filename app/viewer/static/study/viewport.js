// A slice on a canvas: the scanner's pixels, the evidence over them, and what must be said beside them.

import { applied, FITTED, inverse, toCanvas } from "./arithmetic/geometry.js";
import { contour } from "./arithmetic/contour.js";
import { paint } from "./arithmetic/colours.js";
import { greys } from "./arithmetic/window.js";
import { annotate } from "./annotations.js";

/** @typedef {import("./reading/images.js").Images} Images */
/** @typedef {import("./display.js").Display} Display */
/** @typedef {import("./arithmetic/geometry.js").Point} Point */
/** @typedef {import("./arithmetic/geometry.js").Matrix} Matrix */
/** @typedef {import("./arithmetic/colours.js").Heat} Heat */

/**
 * What draws over a slice.
 * @typedef {object} Layer
 * @property {(context: CanvasRenderingContext2D, viewport: Viewport) => void} draw
 */

/**
 * What the left button, a pen or the keyboard does instead of changing the window. Points are in voxel coordinates.
 * @typedef {object} Tool
 * @property {(point: Point, viewport: Viewport) => void} down
 * @property {(point: Point, viewport: Viewport) => void} move
 * @property {(point: Point, viewport: Viewport) => void} up
 * @property {() => void} cancel the last `down` wasn't meant: a second finger has come
 */

const FOR_LINE = "#ffd24a";
const AGAINST_LINE = "#6ec1ff";
const BOX_LINE = "#7dffb0";
// More pixels than these for each CSS pixel cost time, and nobody sees them.
const MOST_RATIO = 2;

export class Viewport {
  /**
   * @param {HTMLElement} element with two canvases: `.view`, and `.source` with the pixels of the slice
   * @param {Images} reading
   * @param {Display} display
   */
  constructor(element, reading, display) {
    this.element = element;
    this.reading = reading;
    this.display = display;
    this.view = FITTED;
    /** @type {Layer[]} */
    this.layers = [];
    /** @type {Tool | null} */
    this.tool = null;
    this.canvas = /** @type {HTMLCanvasElement} */ (element.querySelector(".view"));
    this.source = /** @type {HTMLCanvasElement} */ (element.querySelector(".source"));
    this._context = context2d(this.canvas);
    /** @type {{of: string, table: Uint8Array}} */
    this._greys = { of: "", table: new Uint8Array(1 << 16) };
    this._image = new ImageData(1, 1);
    this._waits = false;
    /** Whether the pixels of the source are others than those that should be seen. */
    this._stale = true;
    for (const state of [reading, display]) {
      state.addEventListener("change", () => {
        this._stale = true;
        this.redraw();
      });
    }
    new ResizeObserver(() => this._fit()).observe(element);
    this._fit();
  }

  /** Canvas pixels for each CSS pixel. */
  get ratio() {
    return Math.min(devicePixelRatio, MOST_RATIO);
  }

  /** From voxel coordinates to canvas pixels. @returns {Matrix} */
  get matrix() {
    return toCanvas(this.view, this.reading.slice, this.canvas);
  }

  /** Whether there is a slice to look at. */
  get hasSlice() {
    return this.reading.volume !== null && this.reading.slices > 0;
  }

  /** Show the slice otherwise. @param {Partial<import("./arithmetic/geometry.js").View>} change */
  look(change) {
    this.view = { ...this.view, ...change };
    this.redraw();
  }

  /**
   * Zoom, and let a place of the canvas stay where it is.
   * @param {number} factor
   * @param {Point} [place] in canvas pixels; the centre if it is left out
   */
  zoom(factor, place = [this.canvas.width / 2, this.canvas.height / 2]) {
    const zoom = Math.min(Math.max(this.view.zoom * factor, 0.25), 40);
    const real = zoom / this.view.zoom;
    const middle = [this.canvas.width / 2, this.canvas.height / 2];
    const pan = /** @type {Point} */ (this.view.pan.map((one, axis) => {
      const away = place[axis] - middle[axis];
      return away - (away - one) * real;
    }));
    this.look({ zoom, pan });
  }

  /** The place of a pointer, in voxel coordinates. @param {{clientX: number, clientY: number}} pointer @returns {Point} */
  voxel(pointer) {
    return applied(inverse(this.matrix), this.place(pointer));
  }

  /** The place of a pointer, in canvas pixels. @param {{clientX: number, clientY: number}} pointer @returns {Point} */
  place({ clientX, clientY }) {
    const { width, height } = this.canvas;
    // Its size on the page needn't be a whole number of pixels.
    const box = this.canvas.getBoundingClientRect();
    return [((clientX - box.left) * width) / box.width, ((clientY - box.top) * height) / box.height];
  }

  /** Draw before the next frame. */
  redraw() {
    if (this._waits) return;
    this._waits = true;
    requestAnimationFrame(() => {
      this._waits = false;
      this._draw();
    });
  }

  _fit() {
    const { clientWidth, clientHeight } = this.element;
    this.canvas.width = Math.max(Math.round(clientWidth * this.ratio), 1);
    this.canvas.height = Math.max(Math.round(clientHeight * this.ratio), 1);
    this.redraw();
  }

  _draw() {
    const context = this._context;
    context.resetTransform();
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.hasSlice) return;
    const heat = this.display.heat(this.reading);
    if (this._paint(heat)) {
      context.imageSmoothingQuality = "high";
      context.setTransform(...this.matrix);
      context.drawImage(this.source, 0, 0);
      if (heat && this.display.outlined) this._outline(heat);
      this._box();
    }
    context.resetTransform();
    annotate(context, this);
    for (const layer of this.layers) layer.draw(context, this);
  }

  /** Paint the source's pixels. Returns whether there are any. @param {Heat | null} heat */
  _paint(heat) {
    const { reading, source } = this;
    const levels = reading.levels(reading.index);
    if (!levels) return false;
    if (!this._stale) return true;
    const { rows, columns } = reading.slice;
    if (source.width !== columns || source.height !== rows) Object.assign(source, { width: columns, height: rows });
    if (this._image.width !== columns || this._image.height !== rows) this._image = new ImageData(columns, rows);
    paint(this._image.data, levels, this._greysNow(), this.display.outlined ? null : heat);
    context2d(source).putImageData(this._image, 0, 0);
    source.dataset.slice = String(reading.index);
    this._stale = false;
    return true;
  }

  /** The grey of each level. Scrolling doesn't change it. */
  _greysNow() {
    const { window, volume, inverted } = this.reading;
    const of = JSON.stringify([window, volume.slope, volume.intercept, inverted]);
    if (this._greys.of !== of) this._greys = { of, table: greys(window, volume, inverted, this._greys.table) };
    return this._greys.table;
  }

  /** @param {Heat} heat */
  _outline({ plane, threshold, both }) {
    const { rows, columns } = this.reading.slice;
    // Without a threshold, a line goes around everything that is above nothing.
    const least = Math.max(threshold, 1e-3 * this.reading.scale.full);
    this._line(contour(plane, rows, columns, least), FOR_LINE);
    if (both) this._line(contour(plane.map((value) => -value), rows, columns, least), AGAINST_LINE);
  }

  /** The box that the localiser found, if this slice is in it. */
  _box() {
    const { box } = this.reading;
    if (!box || !this.display.shows(this.reading)) return;
    const [[first, stop], [top, bottom], [left, right]] = box;
    if (this.reading.index < first || this.reading.index >= stop) return;
    this._line([left, top, right, top, right, top, right, bottom, right, bottom, left, bottom, left, bottom, left, top], BOX_LINE, [6, 4]);
  }

  /**
   * Draw a line of the same width at every zoom.
   * @param {number[]} pieces x1, y1, x2, y2 of each, in voxel coordinates
   * @param {string} colour
   * @param {number[]} dashes in CSS pixels
   */
  _line(pieces, colour, dashes = []) {
    const [context, matrix] = [this._context, this.matrix];
    context.resetTransform();
    context.beginPath();
    for (let at = 0; at < pieces.length; at += 4) {
      context.moveTo(...applied(matrix, [pieces[at], pieces[at + 1]]));
      context.lineTo(...applied(matrix, [pieces[at + 2], pieces[at + 3]]));
    }
    context.setLineDash(dashes.map((one) => one * this.ratio));
    context.lineWidth = 2 * this.ratio;
    context.strokeStyle = colour;
    context.stroke();
    context.setLineDash([]);
  }
}

/** @param {HTMLCanvasElement} canvas */
function context2d(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

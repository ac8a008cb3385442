// Brush, eraser and box on a viewport: a tool and a layer. Without a mouse, arrows move the cursor and Enter paints.

import { applied } from "../arithmetic/geometry.js";
import { Mask } from "./mask.js";

/** @typedef {import("../viewport.js").Viewport} Viewport */
/** @typedef {import("../arithmetic/geometry.js").Point} Point */
/** @typedef {[[number, number], [number, number], [number, number]]} Box slices, rows, columns */
/** @typedef {"brush" | "erase" | "box"} Kind */

const PAINT = [0, 214, 235];
const OPACITY = 0.45;
const LINE = "#00d6eb";

export class Drawing {
  /**
   * @param {Viewport} viewport
   * @param {() => void} changed called after every change of what is drawn
   * @param {() => void} taken called when a tool is taken or put away
   */
  constructor(viewport, changed, taken) {
    this.viewport = viewport;
    this.changed = changed;
    this.taken = taken;
    const { rows, columns } = viewport.reading.slice;
    this.mask = new Mask(rows, columns);
    /** @type {Box | null} */
    this.box = null;
    /** @type {Kind} */
    this.kind = "brush";
    /** In mm. */
    this.radius = 2;
    /** @type {Point} */
    this.cursor = [columns / 2, rows / 2];
    /** Where the pointer was, while it is down; for a box, its first corner. @type {Point | null} */
    this.from = null;
    /** What an undo brings back: a former box, or (undefined) a former state of the mask. @type {{box: Box | null | undefined}[]} */
    this.steps = [];
    /** What was there before the last press. @type {{from: Point | null, steps: number} | null} */
    this._before = null;
    this._picture = document.createElement("canvas");
    Object.assign(this._picture, { width: columns, height: rows });
    viewport.layers.push(this);
  }

  get isOn() {
    return this.viewport.tool === this;
  }

  /** Take a tool, or put it away if it is in the hand. @param {Kind} kind */
  toggle(kind) {
    this.viewport.tool = this.isOn && this.kind === kind ? null : this;
    this.kind = kind;
    this.from = null;
    if (this.isOn) this.viewport.canvas.focus();
    this.viewport.redraw();
    this.taken();
  }

  stop() {
    if (this.isOn) this.toggle(this.kind);
  }

  /** Show what was stored. @param {import("./mask.js").SliceMask[]} mask @param {Box | null} box */
  show(mask, box) {
    const { rows, columns } = this.viewport.reading.slice;
    this.mask = new Mask(rows, columns, mask);
    this.box = box;
    this.steps = [];
    this._told();
  }

  /** @param {Point} point */
  down(point) {
    this._before = { from: this.from, steps: this.steps.length };
    if (this.kind === "box") return this._corner(point);
    this.mask.remember(this.viewport.reading.index);
    this.steps.push({ box: undefined });
    this.from = point;
    this._paint(point);
  }

  /** @param {Point} point */
  move(point) {
    this.cursor = point;
    if (this.from && this.kind !== "box") this._paint(point);
    this.viewport.redraw();
  }

  /** @param {Point} point */
  up(point) {
    // A drag makes a box between its ends; a click is one corner, and the next click the other one.
    if (this.kind !== "box") this.from = null;
    else if (this.from && Math.abs(point[0] - this.from[0]) >= 1 && Math.abs(point[1] - this.from[1]) >= 1) this._corner(point);
  }

  cancel() {
    if (!this._before) return;
    const { from, steps } = this._before;
    this._before = null;
    while (this.steps.length > steps) this.undo();
    this.from = from;
    this.viewport.redraw();
  }

  /** Paint at the cursor, or set a corner of the box there. */
  press() {
    this.down(this.cursor);
    if (this.kind !== "box") this.from = null;
  }

  /** Move the cursor by pixels of the slice. @param {number} right @param {number} down */
  nudge(right, down) {
    const { rows, columns } = this.viewport.reading.slice;
    const [x, y] = this.cursor;
    this.move([Math.min(Math.max(x + right, 0), columns - 0.01), Math.min(Math.max(y + down, 0), rows - 0.01)]);
  }

  undo() {
    const step = this.steps.pop();
    if (!step) return;
    if (step.box !== undefined) this.box = step.box;
    else this.viewport.reading.go(Math.max(this.mask.undo(), 0));
    this._told();
  }

  /** Begin with what somebody else has found, to correct it; each of its slices can be undone. @param {import("./mask.js").SliceMask[]} found */
  begin(found) {
    for (const one of found) {
      this.mask.put(one);
      this.steps.push({ box: undefined });
    }
    this._told();
  }

  /** Copy what is drawn to the next slice, and go there. */
  copy() {
    const { reading } = this.viewport;
    if (reading.index + 1 >= reading.slices) return;
    this.mask.copy(reading.index, reading.index + 1);
    this.steps.push({ box: undefined });
    reading.go(reading.index + 1);
    this._told();
  }

  /** @param {Point} point */
  _paint(point) {
    const { index, slice } = this.viewport.reading;
    const { down, across } = slice;
    this.mask.stroke(index, this.from ?? point, point, { radius: this.radius, down, across }, this.kind === "brush" ? 1 : 0);
    this.from = point;
    this.cursor = point;
    this._told();
  }

  /** A box reaches over all slices on which one was drawn. @param {Point} point */
  _corner(point) {
    this.cursor = point;
    if (!this.from) {
      this.from = point;
      return this.viewport.redraw();
    }
    const { index, slice: { rows, columns } } = this.viewport.reading;
    const side = (/** @type {number} */ one, /** @type {number} */ other, /** @type {number} */ size) => /** @type {[number, number]} */ ([
      Math.min(Math.max(Math.floor(Math.min(one, other)), 0), size - 1),
      Math.min(Math.max(Math.ceil(Math.max(one, other)), 1), size),
    ]);
    const [first, last] = this.box ? [Math.min(this.box[0][0], index), Math.max(this.box[0][1], index + 1)] : [index, index + 1];
    this.steps.push({ box: this.box });
    this.box = [[first, last], side(this.from[1], point[1], rows), side(this.from[0], point[0], columns)];
    this.from = null;
    this._told();
  }

  _told() {
    this.viewport.redraw();
    this.changed();
  }

  /** @param {CanvasRenderingContext2D} context */
  draw(context) {
    const { matrix, ratio, reading } = this.viewport;
    const drawn = this.mask.planes.get(reading.index);
    if (drawn) {
      this._fill(drawn);
      context.setTransform(...matrix);
      context.imageSmoothingEnabled = false;
      context.drawImage(this._picture, 0, 0);
      context.imageSmoothingEnabled = true;
      context.resetTransform();
    }
    context.lineWidth = 2 * ratio;
    context.strokeStyle = LINE;
    if (this.box && reading.index >= this.box[0][0] && reading.index < this.box[0][1]) this._frame(context, this.box);
    if (this.isOn) this._cursor(context);
  }

  /** @param {Uint8Array} drawn */
  _fill(drawn) {
    const { width, height } = this._picture;
    const image = new ImageData(width, height);
    drawn.forEach((value, at) => value && image.data.set([...PAINT, 255 * OPACITY], 4 * at));
    /** @type {CanvasRenderingContext2D} */ (this._picture.getContext("2d")).putImageData(image, 0, 0);
  }

  /** @param {CanvasRenderingContext2D} context @param {Box} box */
  _frame(context, [, [top, bottom], [left, right]]) {
    context.beginPath();
    for (const point of /** @type {Point[]} */ ([[left, top], [right, top], [right, bottom], [left, bottom]])) {
      context.lineTo(...applied(this.viewport.matrix, point));
    }
    context.closePath();
    context.stroke();
  }

  /** The disc of the brush, or a cross for a corner. @param {CanvasRenderingContext2D} context */
  _cursor(context) {
    const { matrix, reading: { slice } } = this.viewport;
    context.beginPath();
    if (this.kind === "box") {
      const [x, y] = applied(matrix, this.cursor);
      for (const [dx, dy] of [[10, 0], [0, 10]]) {
        context.moveTo(x - dx, y - dy);
        context.lineTo(x + dx, y + dy);
      }
    } else {
      context.setTransform(...matrix);
      context.ellipse(...this.cursor, this.radius / slice.across, this.radius / slice.down, 0, 0, 2 * Math.PI);
      context.resetTransform();
    }
    context.stroke();
  }
}

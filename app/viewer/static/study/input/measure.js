// Distances and angles, in mm and degrees. A tool and a layer of a viewport. They aren't stored.

import { angle, applied, distance } from "../arithmetic/geometry.js";
import { t } from "../../texts.js";

/** @typedef {import("../arithmetic/geometry.js").Point} Point */
/** @typedef {import("../viewport.js").Viewport} Viewport */
/** @typedef {"distance" | "angle"} Kind */
/** @typedef {{kind: Kind, index: number, points: Point[]}} Measurement */

const POINTS = { distance: 2, angle: 3 };
const COLOUR = "#7df9ff";
// A press and a release that are this near, in CSS pixels, are a click; otherwise they are two points.
const CLICK = 5;

export class Measure {
  /** @param {Viewport} viewport */
  constructor(viewport) {
    this.viewport = viewport;
    /** @type {Measurement[]} */
    this.made = [];
    /** @type {Kind} */
    this.kind = "distance";
    /** The one that is being made; its last point follows the pointer. @type {Measurement | null} */
    this.growing = null;
    /** @type {Point} */
    this.cursor = [0, 0];
    /** What was there before the last press. @type {{made: Measurement[], growing: Measurement | null} | null} */
    this._before = null;
    viewport.layers.push(this);
  }

  get isOn() {
    return this.viewport.tool === this;
  }

  /** Begin to measure, or stop if this kind is being measured. @param {Kind} kind */
  toggle(kind) {
    const stops = this.isOn && this.kind === kind;
    this.growing = null;
    this.kind = kind;
    this.viewport.tool = stops ? null : this;
    const { rows, columns } = this.viewport.reading.slice;
    this.cursor = [columns / 2, rows / 2];
    this.viewport.redraw();
  }

  stop() {
    if (this.isOn) this.toggle(this.kind);
  }

  /** Take the last one away. */
  undo() {
    if (this.growing) this.growing = null;
    else this.made.pop();
    this.viewport.redraw();
  }

  clear() {
    this.made = [];
    this.growing = null;
    this.viewport.redraw();
  }

  /** @param {Point} point */
  down(point) {
    const { index } = this.viewport.reading;
    this._before = { made: [...this.made], growing: this.growing && { ...this.growing, points: [...this.growing.points] } };
    if (this.growing?.index !== index) this.growing = { kind: this.kind, index, points: [point] };
    this.growing.points.push(point);
    this.cursor = point;
    if (this.growing.points.length > POINTS[this.kind]) {
      this.growing.points.pop();
      this.made.push(this.growing);
      this.growing = null;
    }
    this.viewport.redraw();
  }

  /** @param {Point} point */
  move(point) {
    this.cursor = point;
    if (this.growing) this.growing.points[this.growing.points.length - 1] = point;
    this.viewport.redraw();
  }

  cancel() {
    if (this._before) Object.assign(this, this._before);
    this._before = null;
    this.viewport.redraw();
  }

  /** A drag sets the second point where it ends. @param {Point} point */
  up(point) {
    const from = this.growing?.points.at(-2);
    if (!from) return;
    const [[x1, y1], [x2, y2]] = [from, point].map((one) => applied(this.viewport.matrix, one));
    if (Math.hypot(x2 - x1, y2 - y1) > CLICK * this.viewport.ratio) this.down(point);
  }

  /** Move the cursor by canvas pixels, for those who have no mouse. @param {number} right @param {number} down */
  nudge(right, down) {
    const [a, b, c, d] = this.viewport.matrix;
    const det = a * d - b * c;
    const [x, y] = this.cursor;
    this.move([x + (d * right - c * down) / det, y + (a * down - b * right) / det]);
  }

  /** What a measurement says. @param {Measurement} one */
  text({ kind, points }) {
    const spacing = this.viewport.reading.slice;
    if (kind === "distance") return t("study.mm", { value: distance(points[0], points[1], spacing).toFixed(1) });
    return points.length < 3 ? "" : `${angle(points[0], points[1], points[2], spacing).toFixed(1)}°`;
  }

  /** @param {CanvasRenderingContext2D} context */
  draw(context) {
    const { index } = this.viewport.reading;
    for (const one of [...this.made, ...(this.growing ? [this.growing] : [])]) {
      if (one.index === index) this._draw(context, one);
    }
    if (this.isOn) this._cross(context, applied(this.viewport.matrix, this.cursor));
  }

  /** @param {CanvasRenderingContext2D} context @param {Measurement} one */
  _draw(context, one) {
    const { ratio, matrix } = this.viewport;
    const points = one.points.map((point) => applied(matrix, point));
    context.beginPath();
    points.forEach((point) => context.lineTo(...point));
    stroke(context, ratio);
    context.font = `${15 * ratio}px system-ui, sans-serif`;
    context.textAlign = "left";
    const [x, y] = points[one.kind === "angle" ? Math.min(1, points.length - 1) : points.length - 1];
    context.lineWidth = 4 * ratio;
    context.strokeStyle = "#000";
    context.strokeText(this.text(one), x + 8 * ratio, y - 8 * ratio);
    context.fillStyle = COLOUR;
    context.fillText(this.text(one), x + 8 * ratio, y - 8 * ratio);
  }

  /** @param {CanvasRenderingContext2D} context @param {Point} place */
  _cross(context, [x, y]) {
    const size = 9 * this.viewport.ratio;
    context.beginPath();
    context.moveTo(x - size, y);
    context.lineTo(x + size, y);
    context.moveTo(x, y - size);
    context.lineTo(x, y + size);
    stroke(context, this.viewport.ratio);
  }
}

/** @param {CanvasRenderingContext2D} context @param {number} ratio */
function stroke(context, ratio) {
  for (const [width, colour] of /** @type {[number, string][]} */ ([[3.5, "#000"], [1.6, COLOUR]])) {
    context.lineWidth = width * ratio;
    context.strokeStyle = colour;
    context.stroke();
  }
}

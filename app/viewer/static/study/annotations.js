// What is written over a slice: where it lies, how it is shown, what its colours mean.

import { edges, roundLength, scaleOf } from "./arithmetic/geometry.js";
import { tables } from "./arithmetic/colours.js";
import { t } from "../texts.js";

/** @typedef {import("./viewport.js").Viewport} Viewport */

const FONT = "system-ui, 'Segoe UI', 'Liberation Sans', Arial, sans-serif";
// In CSS pixels.
const SIZE = 14;
const MARGIN = 10;
const BAR = { width: 12, height: 160 };
// Below this width the notice stands above the letter of the lower edge.
const NARROW = 640;
// The scale bar takes at most this share of the canvas.
const LONGEST_BAR = 0.3;
// And the colour bar, which stands above the letter of the right edge, this share of its height.
const TALLEST_BAR = 0.25;

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Viewport} viewport
 */
export function annotate(context, viewport) {
  const page = new Page(context, viewport);
  page.corner("left", "top", [sliceText(viewport), placeText(viewport), viewport.reading.remark]);
  page.corner("left", "bottom", [windowText(viewport)]);
  page.corner("right", "bottom", viewport.canvas.width < NARROW * viewport.ratio ? [t("page.notice"), ""] : [t("page.notice")]);
  if (viewport.reading.isPlaced) {
    page.letters();
    page.scaleBar();
  }
  if (viewport.display.shows(viewport.reading)) page.colourBar();
}

/** @param {Viewport} viewport */
function sliceText({ reading }) {
  return t("study.slice", { number: reading.index + 1, count: reading.slices });
}

/** @param {Viewport} viewport */
function placeText({ reading, display }) {
  if (!reading.isPlaced) return t("series.unplaced");
  const place = `${reading.places(reading.normal)[reading.index].toFixed(1)} mm`;
  return reading.isSeen(reading.index) || !display.opinion ? place : `${place} · ${t("study.unseen")}`;
}

/** @param {Viewport} viewport */
function windowText({ reading: { window, inverted } }) {
  const values = { centre: short((window.black + window.white) / 2), width: short(window.white - window.black) };
  return t("study.window", values) + (inverted ? ` · ${t("study.inverted")}` : "");
}

class Page {
  /** @param {CanvasRenderingContext2D} context @param {Viewport} viewport */
  constructor(context, viewport) {
    this.context = context;
    this.viewport = viewport;
    this.unit = viewport.ratio;
    this.width = viewport.canvas.width;
    this.height = viewport.canvas.height;
    context.lineJoin = "round";
  }

  /**
   * White with a black edge: readable on fat and on air.
   * @param {string} text
   * @param {number} x
   * @param {number} y
   * @param {CanvasTextAlign} align
   * @param {number} [size]
   */
  write(text, x, y, align, size = SIZE) {
    const { context, unit } = this;
    context.font = `${size * unit}px ${FONT}`;
    context.textAlign = align;
    context.textBaseline = "middle";
    context.lineWidth = 3 * unit;
    context.strokeStyle = "#000";
    context.strokeText(text, x, y);
    context.fillStyle = "#fff";
    context.fillText(text, x, y);
  }

  /** @param {"left" | "right"} side @param {"top" | "bottom"} edge @param {string[]} lines */
  corner(side, edge, lines) {
    const step = (SIZE + 5) * this.unit;
    const x = side === "left" ? MARGIN * this.unit : this.width - MARGIN * this.unit;
    const y = edge === "top" ? step : this.height - step * lines.length;
    lines.forEach((line, at) => this.write(line, x, y + at * step, side));
  }

  letters() {
    const { reading, view } = this.viewport;
    const at = edges(reading.volume.directions, view);
    const [away, size] = [(MARGIN + 6) * this.unit, 20];
    this.write(at.left, away, this.height / 2, "center", size);
    this.write(at.right, this.width - away, this.height / 2, "center", size);
    this.write(at.top, this.width / 2, away, "center", size);
    this.write(at.bottom, this.width / 2, this.height - away, "center", size);
  }

  scaleBar() {
    const { view, reading, canvas } = this.viewport;
    const scale = scaleOf(view, reading.slice, canvas);
    const length = roundLength((LONGEST_BAR * this.width) / scale);
    const [x, y] = [MARGIN * this.unit, this.height - 3.4 * SIZE * this.unit];
    this.stroke([[x, y - 4 * this.unit], [x, y + 4 * this.unit], [x, y], [x + length * scale, y]]);
    this.stroke([[x + length * scale, y - 4 * this.unit], [x + length * scale, y + 4 * this.unit]]);
    this.write(`${length >= 10 ? length / 10 : length} ${length >= 10 ? "cm" : "mm"}`, x + length * scale + 6 * this.unit, y, "left");
  }

  /** @param {number[][]} points */
  stroke(points) {
    const { context } = this;
    context.beginPath();
    points.forEach(([x, y]) => context.lineTo(x, y));
    for (const [width, colour] of /** @type {[number, string][]} */ ([[4, "#000"], [2, "#fff"]])) {
      context.lineWidth = width * this.unit;
      context.strokeStyle = colour;
      context.stroke();
    }
  }

  /** The colours with their values in logit/mm2, and what must be said of them. */
  colourBar() {
    const { reading, display } = this.viewport;
    const { full, area_mm2: area, threshold, peak } = reading.scale;
    const [width, height] = [BAR.width * this.unit, Math.min(BAR.height * this.unit, TALLEST_BAR * this.height)];
    const [x, y] = [this.width - MARGIN * this.unit - width, 3.2 * SIZE * this.unit];
    this.write(t(display.both ? "study.evidence.both" : "study.evidence", { class: reading.subject }), x + width, y - 1.6 * SIZE * this.unit, "right");
    if (full <= 0) return this.write(t("study.no_evidence"), x + width, y, "right", 13);
    const least = display.both ? -full : 0;
    this.fill(x, y, width, height, least / full, display.threshold(reading) / full);
    const values = new Set([full, display.threshold(reading), ...(display.both ? [0, -display.threshold(reading), -full] : [0])]);
    for (const value of values) {
      const at = y + height * (1 - (value - least) / (full - least));
      this.write(value === 0 ? "0" : (value / area).toPrecision(2), x - 6 * this.unit, at, "right", 13);
    }
    this.write(t("study.unit"), x + width, y + height + SIZE * this.unit, "right", 13);
    const said = threshold === null ? t("study.own_scale") : peak < display.threshold(reading) ? t("study.no_region") : "";
    if (said && !reading.rival && !display.both) this.write(said, x + width, y + height + 2.4 * SIZE * this.unit, "right", 13);
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} height
   * @param {number} least the lowest value, as a share of full brightness
   * @param {number} threshold the same
   */
  fill(x, y, width, height, least, threshold) {
    const { context } = this;
    const { positive, negative } = tables(this.viewport.display.both);
    for (let row = 0; row < height; row++) {
      const share = 1 - (row / height) * (1 - least);
      const table = share > 0 ? positive : negative;
      const level = 3 * Math.round(255 * Math.min(Math.abs(share), 1));
      const shown = table && Math.abs(share) >= threshold;
      context.fillStyle = shown ? `rgb(${table[level]} ${table[level + 1]} ${table[level + 2]})` : "#222";
      context.fillRect(x, y + row, width, 1);
    }
    context.lineWidth = this.unit;
    context.strokeStyle = "#fff";
    context.strokeRect(x, y, width, height);
  }
}

/** A number in few characters. @param {number} value */
function short(value) {
  return Math.abs(value) >= 10 ? String(Math.round(value)) : value.toPrecision(2);
}

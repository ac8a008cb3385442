// Mouse, wheel, touch and pen on a viewport. Left drags the window, middle pans, right zooms; the wheel scrolls. One
// finger scrolls, two zoom and pan.

import { dragged } from "../arithmetic/window.js";

/** @typedef {import("../viewport.js").Viewport} Viewport */
/** @typedef {import("../arithmetic/geometry.js").Point} Point */

// CSS pixels: of a wheel or a finger for one slice, of a drag over the whole range of values, of one that doubles the size.
const WHEEL_STEP = 40;
const FINGER_STEP = 14;
const WHOLE_RANGE = 900;
const DOUBLE = 150;
// What wheels give in lines instead of pixels.
const LINE = 16;

/** @param {Viewport} viewport */
export function listen(viewport) {
  const gestures = new Gestures(viewport);
  const { canvas } = viewport;
  canvas.addEventListener("wheel", (event) => gestures.wheel(event), { passive: false });
  canvas.addEventListener("pointerdown", (event) => gestures.down(event));
  canvas.addEventListener("pointermove", (event) => gestures.move(event));
  for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) {
    canvas.addEventListener(end, (event) => gestures.up(event));
  }
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  // The middle button would begin to scroll the page.
  canvas.addEventListener("mousedown", (event) => event.button === 1 && event.preventDefault());
}

class Gestures {
  /** @param {Viewport} viewport */
  constructor(viewport) {
    this.viewport = viewport;
    /** The pointers that are down. @type {Map<number, PointerEvent>} */
    this.pointers = new Map();
    this.scrolled = 0;
    this.button = 0;
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    event.preventDefault();
    const { viewport } = this;
    if (!viewport.hasSlice) return;
    const moved = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * LINE;
    if (event.ctrlKey) viewport.zoom(2 ** (-moved / DOUBLE), viewport.place(event));
    else this.scroll(moved, Math.abs(moved) < WHEEL_STEP ? WHEEL_STEP : Math.abs(moved));
  }

  /** @param {PointerEvent} event */
  down(event) {
    const { viewport } = this;
    viewport.canvas.focus();
    if (!viewport.hasSlice) return;
    viewport.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 2 && this.button === 0) viewport.tool?.cancel();
    this.button = event.button;
    this.scrolled = 0;
    if (this.uses(event)) viewport.tool?.down(viewport.voxel(event), viewport);
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { viewport } = this;
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (viewport.tool && viewport.hasSlice) viewport.tool.move(viewport.voxel(event), viewport);
      return;
    }
    if (this.pointers.size > 1) this.pinch(before, event);
    else if (this.uses(event)) viewport.tool?.move(viewport.voxel(event), viewport);
    else this.drag(event, event.clientX - before.clientX, event.clientY - before.clientY);
    this.pointers.set(event.pointerId, event);
  }

  /** @param {PointerEvent} event */
  up(event) {
    const { viewport } = this;
    if (this.pointers.delete(event.pointerId) && this.uses(event)) viewport.tool?.up(viewport.voxel(event), viewport);
  }

  /** Whether the tool gets this pointer. @param {PointerEvent} event */
  uses(event) {
    return this.viewport.tool !== null && this.button === 0 && this.pointers.size <= 1 && event.pointerType !== "";
  }

  /** @param {PointerEvent} event @param {number} right in CSS pixels @param {number} down */
  drag(event, right, down) {
    const { viewport } = this;
    const { reading, ratio } = viewport;
    if (event.pointerType === "touch") return this.scroll(down, FINGER_STEP);
    if (this.button === 1) viewport.look({ pan: [viewport.view.pan[0] + right * ratio, viewport.view.pan[1] + down * ratio] });
    else if (this.button === 2) viewport.zoom(2 ** (-down / DOUBLE));
    else {
      const { percentiles } = reading.volume;
      const range = percentiles["99.5"] - percentiles["0"];
      reading.update({ window: dragged(reading.window, right / WHOLE_RANGE, down / WHOLE_RANGE, range) });
    }
  }

  /** @param {PointerEvent} before @param {PointerEvent} now */
  pinch(before, now) {
    const { viewport } = this;
    const other = [...this.pointers.values()].find((one) => one.pointerId !== now.pointerId);
    if (!other) return;
    const [was, is] = [before, now].map((one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY));
    // What lies between the fingers moves with them, and then stays where it is.
    const half = viewport.ratio / 2;
    const [panX, panY] = viewport.view.pan;
    viewport.look({ pan: [panX + (now.clientX - before.clientX) * half, panY + (now.clientY - before.clientY) * half] });
    const [x, y] = viewport.place({ clientX: (now.clientX + other.clientX) / 2, clientY: (now.clientY + other.clientY) / 2 });
    if (was > 0) viewport.zoom(is / was, [x, y]);
  }

  /** @param {number} moved @param {number} step for one slice */
  scroll(moved, step) {
    this.scrolled += moved;
    const slices = Math.trunc(this.scrolled / step);
    this.scrolled -= slices * step;
    if (slices) this.viewport.reading.go(this.viewport.reading.index + slices);
  }
}

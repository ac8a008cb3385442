// What a reader draws: on each slice a plane of pixels, with undo. Runs of pixels are what the service stores
// (app/contract/masks.py): first pixel and number of pixels, row by row.

/** @typedef {{slice: number, runs: number[]}} SliceMask */

export class Mask {
  /** @param {number} rows @param {number} columns @param {SliceMask[]} stored */
  constructor(rows, columns, stored = []) {
    this.rows = rows;
    this.columns = columns;
    /** @type {Map<number, Uint8Array>} */
    this.planes = new Map();
    /** @type {{index: number, plane: Uint8Array | undefined}[]} */
    this._steps = [];
    for (const { slice, runs } of stored) this.planes.set(slice, plane(runs, rows * columns));
  }

  /** The slices that something is drawn on, in order. */
  get slices() {
    return [...this.planes].filter(([, one]) => one.includes(1)).map(([index]) => index).sort((one, other) => one - other);
  }

  /** As the service takes it. @returns {SliceMask[]} */
  get stored() {
    return this.slices.map((slice) => ({ slice, runs: runs(/** @type {Uint8Array} */ (this.planes.get(slice))) }));
  }

  /** Remember a slice as it is, before it is changed. @param {number} index */
  remember(index) {
    this._steps.push({ index, plane: this.planes.get(index)?.slice() });
  }

  /** Take the last change back. Returns its slice, or -1 if there is none. */
  undo() {
    const step = this._steps.pop();
    if (!step) return -1;
    if (step.plane) this.planes.set(step.index, step.plane);
    else this.planes.delete(step.index);
    return step.index;
  }

  /**
   * Paint or erase a disc around a line. Pixels whose centre is within the radius are changed.
   * @param {number} index
   * @param {[number, number]} from in voxel coordinates
   * @param {[number, number]} to
   * @param {{radius: number, down: number, across: number}} brush radius and size of a pixel in mm
   * @param {0 | 1} value
   */
  stroke(index, from, to, { radius, down, across }, value) {
    const changed = this.planes.get(index) ?? new Uint8Array(this.rows * this.columns);
    this.planes.set(index, changed);
    const [high, wide] = [radius / down, radius / across];
    const [top, bottom] = span(from[1], to[1], high, this.rows);
    const [left, right] = span(from[0], to[0], wide, this.columns);
    const [x1, y1, x2, y2] = [from[0] * across, from[1] * down, to[0] * across, to[1] * down];
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const away = distance((column + 0.5) * across, (row + 0.5) * down, x1, y1, x2, y2);
        if (away <= radius) changed[row * this.columns + column] = value;
      }
    }
    // A brush that is smaller than a pixel paints the pixel that it is in.
    const [column, row] = [Math.floor(to[0]), Math.floor(to[1])];
    if (column >= 0 && row >= 0 && column < this.columns && row < this.rows) changed[row * this.columns + column] = value;
  }

  /** Put runs of pixels in place of what is on a slice. @param {SliceMask} stored */
  put({ slice, runs }) {
    this.remember(slice);
    this.planes.set(slice, plane(runs, this.rows * this.columns));
  }

  /** Copy a slice over another one. @param {number} from @param {number} to */
  copy(from, to) {
    this.remember(to);
    const plane_ = this.planes.get(from);
    if (plane_) this.planes.set(to, plane_.slice());
  }
}

/** @param {number[]} pairs @param {number} pixels */
export function plane(pairs, pixels) {
  const made = new Uint8Array(pixels);
  for (let at = 0; at < pairs.length; at += 2) made.fill(1, pairs[at], pairs[at] + pairs[at + 1]);
  return made;
}

/** @param {Uint8Array} pixels @returns {number[]} */
export function runs(pixels) {
  const found = [];
  let start = -1;
  for (let at = 0; at <= pixels.length; at++) {
    if (pixels[at] && start < 0) start = at;
    else if (!pixels[at] && start >= 0) {
      found.push(start, at - start);
      start = -1;
    }
  }
  return found;
}

/** @param {number} one @param {number} other @param {number} around @param {number} size */
function span(one, other, around, size) {
  return [Math.max(Math.floor(Math.min(one, other) - around), 0), Math.min(Math.ceil(Math.max(one, other) + around) + 1, size)];
}

/** From a point to a line between two points. @param {number} x @param {number} y @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 */
function distance(x, y, x1, y1, x2, y2) {
  const [along, over] = [x2 - x1, y2 - y1];
  const length = along * along + over * over;
  const share = length ? Math.min(Math.max(((x - x1) * along + (y - y1) * over) / length, 0), 1) : 0;
  return Math.hypot(x - x1 - share * along, y - y1 - share * over);
}

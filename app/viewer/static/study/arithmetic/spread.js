// How the values of a map's cells are spread over pixels: as `Footprint.carry_back` does it
// (data_prep/network_input/footprint.py). A test compares both.

/**
 * @typedef {object} Spread
 * @property {number} pixels
 * @property {number} cells
 * @property {Float64Array} weights `[pixels, cells]`: the share of each cell that a pixel gets
 * @property {Int32Array} first the first cell of each pixel with a weight
 * @property {Int32Array} stop the cell after the last
 */

/**
 * @param {number} cells
 * @param {[number, number]} region where the cells begin and end, in pixels
 * @param {number} pixels
 * @returns {Spread}
 */
export function spread(cells, [start, stop], pixels) {
  const width = Math.max((stop - start) / cells, 1);
  const weights = new Float64Array(pixels * cells);
  const sums = new Float64Array(cells);
  for (let pixel = Math.floor(start - 2 * width); pixel < Math.ceil(stop + 2 * width); pixel++) {
    const at = Math.min(Math.max(pixel, 0), pixels - 1) * cells;
    for (let cell = 0; cell < cells; cell++) {
      const centre = start + ((cell + 0.5) * (stop - start)) / cells;
      const weight = spline(Math.abs(pixel + 0.5 - centre) / width);
      weights[at + cell] += weight;
      sums[cell] += weight;
    }
  }
  for (let at = 0; at < weights.length; at++) weights[at] /= sums[at % cells];
  return { pixels, cells, weights, ...used(weights, pixels, cells) };
}

/**
 * A slice of a map over the pixels of its slice.
 * @param {Spread} rows
 * @param {Spread} columns
 * @param {Float32Array} cells `[rows.cells, columns.cells]`
 * @returns {Float32Array} `[rows.pixels, columns.pixels]`
 */
export function carryBack(rows, columns, cells) {
  const across = new Float64Array(rows.cells * columns.pixels);
  for (let cell = 0; cell < rows.cells; cell++) {
    for (let column = 0; column < columns.pixels; column++) {
      let sum = 0;
      for (let other = columns.first[column]; other < columns.stop[column]; other++) {
        sum += columns.weights[column * columns.cells + other] * cells[cell * columns.cells + other];
      }
      across[cell * columns.pixels + column] = sum;
    }
  }
  const plane = new Float32Array(rows.pixels * columns.pixels);
  const line = new Float64Array(columns.pixels);
  for (let row = 0; row < rows.pixels; row++) {
    if (rows.first[row] >= rows.stop[row]) continue;
    line.fill(0);
    for (let cell = rows.first[row]; cell < rows.stop[row]; cell++) {
      const weight = rows.weights[row * rows.cells + cell];
      const from = cell * columns.pixels;
      for (let column = 0; column < columns.pixels; column++) line[column] += weight * across[from + column];
    }
    plane.set(line, row * columns.pixels);
  }
  return plane;
}

/**
 * A quadratic B-spline.
 * @param {number} distance in widths
 */
function spline(distance) {
  return distance < 0.5 ? 0.75 - distance ** 2 : 0.5 * Math.max(1.5 - distance, 0) ** 2;
}

/** @param {Float64Array} weights @param {number} pixels @param {number} cells */
function used(weights, pixels, cells) {
  const first = new Int32Array(pixels);
  const stop = new Int32Array(pixels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const mine = weights.subarray(pixel * cells, (pixel + 1) * cells);
    first[pixel] = Math.max(mine.findIndex((weight) => weight > 0), 0);
    stop[pixel] = mine.findLastIndex((weight) => weight > 0) + 1;
  }
  return { first, stop };
}

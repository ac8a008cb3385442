// Which values are black and which are white.

/** @typedef {{black: number, white: number}} Window in the scanner's values */

const LEVELS = 1 << 16;
const NARROWEST = 1e-6;
// Percentiles of black and white, the first as in the service's own pictures (app/results/render.py).
const PRESETS = /** @type {const} */ ([
  ["usual", "1", "99.5"],
  ["contrast", "5", "95"],
  ["wide", "0", "100"],
  ["bright", "50", "99.5"],
]);

/**
 * The windows of the keys 1 to 5: the headers' one if there is one, then those of percentiles.
 * @param {{window: {centre: number, width: number} | null, percentiles: Record<string, number>}} volume
 * @returns {{name: string, window: Window}[]}
 */
export function presets({ window, percentiles }) {
  const found = PRESETS.map(([name, low, high]) => ({
    name: /** @type {string} */ (name),
    window: { black: percentiles[low], white: percentiles[high] },
  }));
  return window ? [{ name: "headers", window: ofHeaders(window) }, ...found] : found;
}

/**
 * The ends of a linear window (PS3.3 C.11.2.1.2.1).
 * @param {{centre: number, width: number}} window
 * @returns {Window}
 */
export function ofHeaders({ centre, width }) {
  const half = (width - 1) / 2;
  return { black: centre - 0.5 - half, white: centre - 0.5 + half };
}

/**
 * The grey of each 16 bit level, from 0 to 255.
 * @param {Window} window
 * @param {{slope: number, intercept: number}} stored
 * @param {boolean} inverted
 * @param {Uint8Array} [into] of 65536 greys
 */
export function greys({ black, white }, { slope, intercept }, inverted, into = new Uint8Array(LEVELS)) {
  const width = Math.max(white - black, NARROWEST * slope);
  for (let level = 0; level < LEVELS; level++) {
    const share = Math.min(Math.max((slope * level + intercept - black) / width, 0), 1);
    into[level] = Math.round(255 * (inverted ? 1 - share : share));
  }
  return into;
}

/**
 * A window that was dragged: to the right makes it wider, down makes the picture brighter.
 * @param {Window} window
 * @param {number} right as a share of the whole range
 * @param {number} down the same
 * @param {number} range of the volume's values
 * @returns {Window}
 */
export function dragged({ black, white }, right, down, range) {
  const width = Math.max(white - black + right * range, range / 1000);
  const centre = (black + white) / 2 - down * range;
  return { black: centre - width / 2, white: centre + width / 2 };
}

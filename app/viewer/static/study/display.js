// How evidence is shown, for all viewports of the page.

import { Observable } from "./observable.js";

/** @typedef {import("./reading/images.js").Images} Images */
/** @typedef {import("./arithmetic/colours.js").Heat} Heat */

// As the service's overlay.png (app/api/pictures.py).
const OPACITY = 0.6;

export class Display extends Observable {
  /** @param {boolean} shown whether the heatmap is shown before anybody asks for it */
  constructor(shown) {
    super();
    this.shown = shown;
    this.opacity = OPACITY;
    /** The threshold as a share of full brightness; null is the bundle's own. @type {number | null} */
    this.share = null;
    /** Whether evidence against the class is shown, too. */
    this.both = false;
    /** Whether a line is drawn around it instead of colours. */
    this.outlined = false;
    /** Whether anything of the model's opinion may be seen. */
    this.opinion = true;
    /** Whether that isn't known yet. */
    this.asking = false;
  }

  /** Whether a heatmap is to be seen now. @param {Images} reading */
  shows(reading) {
    return this.shown && this.opinion && reading.scale !== null && reading.maps.state === "here";
  }

  /**
   * The evidence on the slice that is looked at; null if none is shown. A study's own scale that ends at 0 is none.
   * @param {Images} reading
   * @returns {Heat | null}
   */
  heat(reading) {
    const plane = this.shows(reading) && reading.scale.full > 0 ? reading.plane() : null;
    if (!plane) return null;
    return { plane, full: reading.scale.full, threshold: this.threshold(reading), opacity: this.opacity, both: this.both };
  }

  /** The lowest value that is shown. @param {Images} reading @returns {number} */
  threshold(reading) {
    const { full, threshold } = reading.scale;
    return this.share === null ? threshold ?? 0 : this.share * full;
  }
}

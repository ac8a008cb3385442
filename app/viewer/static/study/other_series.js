// A series that wasn't predicted on, or a part of it: images without anything that a model says.

import { t } from "../texts.js";
import { Images } from "./images.js";

export class OtherSeries extends Images {
  /**
   * @param {import("./reading.js").Reading} result of the same study
   * @param {string} uid of the series
   * @param {number} part
   */
  constructor(result, uid, part) {
    super(`/v1/predictions/${encodeURIComponent(result.id)}/series/${encodeURIComponent(uid)}`, `?part=${part}`);
    this.uid = uid;
    /** Names the file of a saved picture. */
    this.id = uid;
    this._result = result;
  }

  get study() {
    return this._result.study;
  }

  get remark() {
    return t("series.not_predicted_on");
  }

  async load() {
    await this._loadPixels();
  }
}

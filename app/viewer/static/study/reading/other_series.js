// A series that wasn't predicted on, or a part of it: images without anything that a model says.

import { t } from "../../texts.js";
import { Images } from "./images.js";

/** @param {{description: string | null}} series */
export function named({ description }) {
  return description || t("series.unnamed");
}

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
    /** What it is called; "" until the service says so. */
    this.called = "";
  }

  get study() {
    return this._result.study;
  }

  get remark() {
    return t("series.not_predicted_on");
  }

  /** Take its name from the list of all series. @param {{series_uid: string, description: string | null}[]} all */
  name(all) {
    const own = all.find((one) => one.series_uid === this.uid);
    this.update({ called: own ? named(own) : "" });
  }

  async load() {
    await this._loadPixels();
  }
}

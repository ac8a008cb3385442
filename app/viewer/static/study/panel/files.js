// The report of a prediction, and its results as files for other programs.

import { t } from "../../texts.js";
import { element } from "../dom.js";

/** @typedef {import("../reading/reading.js").Reading} Reading */

/**
 * Links to the report and to all files of the prediction, of each slice those of the slice that is looked at.
 * @param {Reading} reading
 * @returns {Node[]}
 */
export function files({ id, answer, index }) {
  const place = `/v1/predictions/${id}`;
  const { peak, threshold } = answer.explanation.scale;
  const hasRegion = threshold !== null && peak >= threshold;
  const dicom = [
    ["sr", `${place}/dicom/sr.dcm`],
    ["key-image", `${place}/dicom/key-image.dcm`],
    ["overlay", `${place}/dicom/overlay.dcm?slice=${index}`],
    ["map", `${place}/dicom/map.dcm`],
    ...(answer.study.localisation?.mask ? [["ligament", `${place}/dicom/ligament.dcm`]] : []),
    ...(hasRegion ? [["seg", `${place}/dicom/seg.dcm`]] : []),
  ];
  return [
    element("p", {}, element("a", { href: `/studies/${id}/report` }, t("files.report"))),
    element("p", {}, element("a", { href: `${place}/report.pdf` }, t("files.pdf"))),
    element("h3", {}, t("files.dicom")),
    element("ul", {}, ...dicom.map(([kind, href]) => file(t(`files.${kind}`, { number: index + 1 }), href, `${id}-${kind}.dcm`))),
    element("h3", {}, t("files.other")),
    element("ul", {},
      file(t("files.map.npz"), `${place}/map.npz`, `${id}-map.npz`),
      file(t("files.answer"), place, `${id}.json`),
      file(t("files.fhir"), `${place}/fhir`, `${id}-fhir.json`)),
  ];
}

/** @param {string} text @param {string} href @param {string} download the file's name */
function file(text, href, download) {
  return element("li", {}, element("a", { href, download }, text));
}

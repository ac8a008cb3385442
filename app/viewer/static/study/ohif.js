// The link to OHIF, where the service has it, and only for studies whose images it holds: OHIF reads them by DICOMweb.
// Of a study that was posted, it may hold the results alone.

import { ask, Refusal } from "../service.js";
import { page } from "./study.js";

const link = /** @type {HTMLAnchorElement | null} */ (document.getElementById("ohif"));
let shown = "";

/** @param {HTMLAnchorElement} link */
async function refresh(link) {
  const study = page.active.answer?.study?.study_uid;
  if (!study || study === shown) return;
  shown = study;
  // Only the status counts: 204 if there are none.
  const images = `/dicom-web/studies/${study}/series?Modality=MR&limit=1`;
  const areHeld = await ask(images, { method: "HEAD" }).then(({ status }) => status === 200, unknown);
  if (study !== shown) return;
  link.href = `/ohif/viewer?${new URLSearchParams({ StudyInstanceUIDs: study })}`;
  link.hidden = !areHeld;
}

/** @param {unknown} error */
function unknown(error) {
  if (!(error instanceof Refusal)) throw error;
  return false;
}

if (link) page.onChange(() => refresh(link));

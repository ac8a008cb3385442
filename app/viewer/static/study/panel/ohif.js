// The link to OHIF, where the service has it, and only for studies whose images it holds: OHIF reads them by DICOMweb.
// Of a study that was posted, it may hold the results alone. OHIF shows results, so the link goes where the model's
// opinion is hidden.

import { ask, Refusal } from "../../service.js";
import { page } from "../study.js";

const link = /** @type {HTMLAnchorElement | null} */ (document.getElementById("ohif"));
/** Whether the images of a study are held, by its UID. @type {Map<string, Promise<boolean>>} */
const held = new Map();

/** @param {HTMLAnchorElement} link */
async function refresh(link) {
  const study = page.result.answer?.study?.study_uid;
  if (!study) return;
  if (!held.has(study)) held.set(study, areHeld(study));
  const isHeld = await held.get(study);
  if (study !== page.result.answer?.study?.study_uid) return;
  link.href = `/ohif/viewer?${new URLSearchParams({ StudyInstanceUIDs: study })}`;
  link.hidden = !isHeld || !page.display.opinion;
}

/** @param {string} study */
async function areHeld(study) {
  try {
    // Only the status counts: 204 if there are none.
    return (await ask(`/dicom-web/studies/${study}/series?Modality=MR&limit=1`, { method: "HEAD" })).status === 200;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

if (link) page.onChange(() => refresh(link));

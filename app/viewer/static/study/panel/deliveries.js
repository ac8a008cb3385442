// Where the DICOM results of a prediction went, and another try for those that haven't arrived. Asked for when opened.

import { ask, askJson, Refusal } from "../../service.js";
import { t } from "../../texts.js";
import { element } from "../dom.js";
import { page } from "../study.js";

const place = /** @type {HTMLDetailsElement} */ (document.getElementById("deliveries"));
const list = /** @type {HTMLElement} */ (document.getElementById("delivered"));

/** Ask for the deliveries of the prediction that the panel is about, and show them. */
async function refresh() {
  const { id } = page.result;
  try {
    const { deliveries } = await askJson(`/v1/deliveries?prediction=${id}`);
    const rows = deliveries.map((/** @type {any} */ one) => row(one));
    list.replaceChildren(rows.length ? element("ul", {}, ...rows) : element("p", {}, t("delivery.none")));
  } catch (error) {
    say(error);
  }
}

/** @param {any} one */
function row(one) {
  const target = one.target === "this service" ? t("delivery.here") : one.target;
  const what = t(one.content === "results" ? "delivery.results" : "delivery.note");
  const parts = [element("strong", {}, t(`delivery.state.${one.state}`)), `: ${what}, `, element("code", {}, target)];
  if (one.outcome && one.state !== "delivered") parts.push(element("p", { class: "quiet" }, one.outcome));
  if (one.state !== "delivered") parts.push(button(one));
  return element("li", {}, ...parts);
}

/** @param {any} one */
function button(one) {
  const query = new URLSearchParams({ prediction: one.prediction, target: one.target, state: one.state });
  const again = () => ask(`/v1/deliveries/retry?${query}`, { method: "POST" }).then(refresh, say);
  return element("button", { type: "button", onclick: again }, t("delivery.retry"));
}

/** @param {unknown} error */
function say(error) {
  if (!(error instanceof Refusal)) throw error;
  list.append(element("p", { class: "alarm", role: "alert" }, error.message || t("study.away")));
}

/**
 * Whether the worklist has led here, to deliveries that were given up, and the reader hasn't done anything yet. Until then
 * the list stays in view, while the rest of the panel arrives.
 */
let isAwaited = location.hash === "#deliveries";
for (const act of ["wheel", "pointerdown", "keydown"]) document.addEventListener(act, () => (isAwaited = false), { once: true, capture: true });

place.addEventListener("toggle", () => place.open && refresh());
page.onChange(() => {
  if (place.dataset.id !== page.result.id) {
    place.open = isAwaited;
    place.dataset.id = page.result.id;
  }
  // The panel is hidden until there is an answer.
  if (isAwaited && page.result.answer?.status === "done") place.scrollIntoView();
});

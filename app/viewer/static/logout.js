// The button that ends a session, on every page of somebody who has one.

import { ask, csrfToken } from "./service.js";

const button = /** @type {HTMLButtonElement} */ (document.getElementById("logout"));
button.hidden = !csrfToken();
button.addEventListener("click", async () => {
  await ask("/logout", { method: "POST" });
  location.assign("/login");
});

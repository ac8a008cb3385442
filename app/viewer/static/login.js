// Says so where the form would send the key in clear. Loopback never leaves this machine.

import { csrfToken } from "./service.js";

const warning = document.getElementById("insecure");
if (warning) warning.hidden = isSecureContext;

// A link on another site, such as the PACS's, comes without the cookie, also if there is a session: then nobody need log
// in. Any key is enough to ask for models.
const wanted = /** @type {HTMLInputElement} */ (document.querySelector("input[name=next]"));
if (csrfToken()) {
  fetch("/v1/models").then(({ ok }) => ok && location.replace(wanted.value), () => {});
}

// Requests to the service, from every page.

/** An answer that isn't what was asked for. `message` is the service's own sentence. */
export class Refusal extends Error {
  /**
   * @param {number} status 0 if nothing answered.
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * A response with a status of success, or 304. 401 leads to the login page, and back after it.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 * @throws {Refusal}
 */
export async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if ((options.method ?? "GET") !== "GET") headers.set("X-CSRF-Token", csrfToken());
  const response = await fetch(path, { ...options, headers }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "");
  });
  if (response.status === 401) logIn();
  if (!response.ok && response.status !== 304) throw new Refusal(response.status, await sentence(response));
  return response;
}

/**
 * The JSON of an answer.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 * @throws {Refusal}
 */
export async function askJson(path, options = {}) {
  return (await ask(path, options)).json();
}

/** Leave for the login page, which comes back to this one. */
export function logIn() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

/**
 * The token that a request which changes something carries, if this browser has a session.
 * @returns {string}
 */
export function csrfToken() {
  return document.cookie.match(/(?:^|; )cruciate_csrf=([^;]*)/)?.[1] ?? "";
}

/**
 * What a problem document says (RFC 9457).
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function sentence(response) {
  try {
    return (await response.json()).detail ?? response.statusText;
  } catch {
    return response.statusText;
  }
}

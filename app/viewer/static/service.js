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

// Milliseconds before a request is repeated that nobody answered.
const AGAIN_MS = 2000;
// Nobody, a proxy whose service is away, a service that isn't ready.
const AWAY = [0, 502, 503, 504];

/**
 * A response with a status of success, or 304. 401 leads to the login page, and back after it; but not when something
 * was to be changed, because then the page may have what isn't stored yet.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 * @throws {Refusal}
 */
export async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  const changes = (options.method ?? "GET") !== "GET";
  if (changes) headers.set("X-CSRF-Token", csrfToken());
  const response = await fetch(path, { ...options, headers }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "");
  });
  if (response.status === 401 && !changes) logIn();
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

/**
 * Ask again as long as nobody answers, or the service isn't ready: it may be restarting.
 * @template T
 * @param {() => Promise<T>} request
 * @param {(refusal: Refusal | null) => void} [told] what was met, and null when it is over
 * @returns {Promise<T>}
 * @throws {Refusal}
 */
export async function patiently(request, told = () => {}) {
  for (let met = false; ; met = true) {
    try {
      const answered = await request();
      if (met) told(null);
      return answered;
    } catch (error) {
      if (!(error instanceof Refusal && AWAY.includes(error.status))) throw error;
      told(error);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
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

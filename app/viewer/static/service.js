// Requests to the service, from every page.

// Milliseconds before a request is repeated that nobody answered.
const AGAIN_MS = 2000;
// No answer, or that of a proxy whose service is away.
const NOBODY = [0, 502, 504];
// The service can't answer; it says with Retry-After that this will pass. A proxy may say the same for it.
export const UNREADY = 503;

/** An answer that isn't what was asked for. `message` is the service's own sentence. */
export class Refusal extends Error {
  /**
   * @param {number} status 0 if nothing answered.
   * @param {string} message
   * @param {boolean} passes Whether it may be otherwise soon.
   */
  constructor(status, message, passes = false) {
    super(message);
    this.status = status;
    this.passes = passes;
  }

  /** Whether it is worth asking again: nobody answers, or the service isn't ready. It may be restarting. */
  get isAway() {
    return NOBODY.includes(this.status) || (this.status === UNREADY && this.passes);
  }
}

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
  if (!response.ok && response.status !== 304) throw await refusal(response);
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
      if (!(error instanceof Refusal && error.isAway)) throw error;
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
 * What a problem document says (RFC 9457), or a proxy.
 * @param {Response} response
 */
async function refusal(response) {
  const { status, statusText, headers } = response;
  const isOurs = headers.get("Content-Type")?.startsWith("application/problem+json") ?? false;
  const told = isOurs ? (await response.json().catch(() => ({}))).detail : "";
  return new Refusal(status, told || statusText, !isOurs || headers.has("Retry-After"));
}

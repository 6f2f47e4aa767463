// RFC 9110, 5.6.2.
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/

// https://fetch.spec.whatwg.org/#concept-method-normalize; `patch` is, by the standard, not among them.
const NORMALIZED: ReadonlySet<string> = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])

// https://fetch.spec.whatwg.org/#forbidden-method
const FORBIDDEN: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK'])

/** @throws TypeError for what is not a method, or one that fetch does not send. */
export function methodOf(method: unknown): string {
  const given = String(method)
  if (NORMALIZED.has(given)) return given
  if (!TOKEN.test(given)) throw new TypeError(`'${given}' is not a valid HTTP method.`)
  const upper = given.toUpperCase()
  if (FORBIDDEN.has(upper)) throw new TypeError(`'${given}' HTTP method is unsupported.`)
  return NORMALIZED.has(upper) ? upper : given
}

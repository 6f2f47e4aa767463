import type { IncomingMessage, ServerResponse } from 'node:http'

/** What to do with one request. */
export type FakeConsulStep = (request: IncomingMessage, response: ServerResponse) => void

type Headers = Readonly<Record<string, string>>

// What Consul sends with every error of its own: no index and no leader are to be read from it.
const OF_ERRORS = { 'x-consul-index': '1', 'x-consul-knownleader': 'false', 'x-consul-lastcontact': '0' }

/**
 * Answers with a health list under an index, and with no other header of Consul's than those given, such as
 * {@link noLeader}.
 *
 * @param index Undefined: without one.
 */
export function answer(
  index: number | undefined,
  entries: readonly object[],
  headers: Headers = {},
): FakeConsulStep {
  return (_, response) => respond(response, index, entries, headers)
}

/** Answers with a status and a text. */
export function refuse(status: number, text: string, headers: Headers = {}): FakeConsulStep {
  return (_, response) => {
    response.writeHead(status, headers)
    response.end(text)
  }
}

/** The agent is up, and its servers have lost their leader. */
export function noClusterLeader(): FakeConsulStep {
  return refuse(500, 'No cluster leader', OF_ERRORS)
}

/** The token has been deleted, or is so new that not every server knows it. */
export function aclNotFound(): FakeConsulStep {
  return refuse(403, 'ACL not found', OF_ERRORS)
}

/** A datacenter that this one has never heard of. */
export function noPathToDatacenter(): FakeConsulStep {
  return refuse(500, 'No path to datacenter', OF_ERRORS)
}

/** Servers that do not keep discovery chains: `connect { enabled = true }` is missing. */
export function connectDisabled(): FakeConsulStep {
  return refuse(500, 'Connect must be enabled in order to use this endpoint', OF_ERRORS)
}

/** More connections than the agent allows one client. @param retryAfterS The header `Retry-After`, in seconds. */
export function tooManyRequests(retryAfterS?: number): FakeConsulStep {
  return refuse(429, 'Your IP is issuing too many concurrent connections', {
    connection: 'close',
    ...(retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) }),
  })
}

/** Answers with a page of some other server's. */
export function answerNonsense(): FakeConsulStep {
  return refuse(200, '<html>hello</html>', { 'content-type': 'text/html' })
}

/** Ends an answer before its list has ended, as a proxy does that lost the agent. */
export function cutShort(index: number, entries: readonly object[]): FakeConsulStep {
  return (_, response) => {
    response.writeHead(200, { 'x-consul-index': String(index) })
    response.end(JSON.stringify(entries).slice(0, -1))
  }
}

/** Dies in the middle of an answer. */
export function breakOff(): FakeConsulStep {
  return (_, response) => {
    response.writeHead(200, { 'content-length': '1000', 'x-consul-index': '1' })
    response.write('[{"Node":', () => response.destroy())
  }
}

/** Hangs up without a word. */
export function hangUp(): FakeConsulStep {
  return (request) => request.socket.destroy()
}

/** Never answers. */
export function hold(): FakeConsulStep {
  return () => undefined
}

/** Takes another step after a while, in milliseconds of the machine's clock. */
export function delayed(delayMs: number, step: FakeConsulStep): FakeConsulStep {
  return (request, response) => {
    const timer = setTimeout(() => step(request, response), delayMs)
    response.once('close', () => clearTimeout(timer))
  }
}

/** Begins an answer, and goes on a byte at a time without end. */
export function trickle(everyMs = 1): FakeConsulStep {
  return (_, response) => {
    response.writeHead(200, { 'x-consul-index': '1' })
    response.write('[')
    const timer = setInterval(() => response.write(' '), everyMs)
    response.once('close', () => clearInterval(timer))
  }
}

/** Pours out an answer without end, as fast as it is read. */
export function pourForEver(): FakeConsulStep {
  return (_, response) => {
    response.writeHead(200, { 'x-consul-index': '1' })
    const chunk = Buffer.alloc(1024 * 1024, ' ')
    response.write('[')
    const pour = (): void => {
      while (!response.destroyed && response.write(chunk));
      response.once('drain', pour)
    }
    pour()
  }
}

/** Headers of an answer of an agent that knows no leader. */
export const noLeader: Headers = { 'x-consul-knownleader': 'false' }

/** Headers of every answer of the streaming backend, which Consul has since 1.10: that there is no leader means nothing. */
export const streamed: Headers = {
  'x-consul-query-backend': 'streaming',
  'x-consul-knownleader': 'false',
  'x-consul-lastcontact': '0',
}

/** Headers of an answer without what the token may not see. */
export const filteredByAcls: Headers = { 'x-consul-results-filtered-by-acls': 'true' }

/** Headers of an agent whose ACLs deny what no token allows; not said by Consul 1.8. */
export const deniesByDefault: Headers = { 'x-consul-default-acl-policy': 'deny' }

/** Headers of an agent whose `translate_wan_addrs` has put WAN addresses in place. */
export const addressesTranslated: Headers = { 'x-consul-translate-addresses': 'true' }

/** Headers of a server that has heard nothing of its leader for so long, in milliseconds. */
export function withoutContact(lastContactMs: number): Headers {
  return { 'x-consul-knownleader': 'true', 'x-consul-lastcontact': String(lastContactMs) }
}

/** Headers of an agent that answers from its cache, cut off from the servers for so long, in milliseconds. */
export function cutOff(ageMs: number): Headers {
  return { 'x-cache': 'HIT', age: String(Math.round(ageMs / 1000)) }
}

/** An answer of 200 with JSON. */
export function respond(
  response: ServerResponse,
  index: number | undefined,
  body: unknown,
  headers: Headers = {},
): void {
  response.writeHead(200, {
    'content-type': 'application/json',
    ...(index === undefined ? {} : { 'x-consul-index': String(index) }),
    ...headers,
  })
  response.end(JSON.stringify(body))
}

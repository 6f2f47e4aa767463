import type { IncomingMessage, ServerResponse } from 'node:http'

/** What to do with one query. */
export type FakeConsulStep = (request: IncomingMessage, response: ServerResponse) => void

/** Answers with a health list under an index; with headers such as `{ 'x-consul-knownleader': 'false' }`. */
export function answer(
  index: number,
  entries: readonly object[],
  headers: Readonly<Record<string, string>> = {},
): FakeConsulStep {
  return (_, response) => respond(response, index, entries, headers)
}

/** Answers with a status and a text. */
export function refuse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): FakeConsulStep {
  return (_, response) => {
    response.writeHead(status, headers)
    response.end(text)
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

/** Begins an answer, and goes on a byte at a time for ever. */
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

/** An instance as `/v1/health/service/<name>` lists it. */
export function healthEntry(
  port: number,
  overrides: { readonly node?: object; readonly service?: object; readonly checks?: readonly object[] } = {},
): object {
  return {
    Node: { Node: 'node-1', Address: '10.0.0.1', Datacenter: 'dc1', ...overrides.node },
    Service: {
      ID: `orders-${port}`,
      Service: 'orders',
      Address: '',
      Port: port,
      Tags: [],
      Meta: {},
      Weights: { Passing: 1, Warning: 1 },
      ...overrides.service,
    },
    Checks: overrides.checks ?? [],
  }
}

export function respond(
  response: ServerResponse,
  index: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(200, { 'content-type': 'application/json', 'x-consul-index': String(index), ...headers })
  response.end(JSON.stringify(body))
}

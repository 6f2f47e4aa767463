import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { streamed } from './fake-consul-steps.js'

/**
 * Which Consul an agent speaks as.
 * - `blocking-query`: as those before 1.10 (measured on 1.8.7), which ask a server each time.
 * - `streaming`: as those since then (measured on 1.13.9), which answer blocking and cached queries of health from the
 *   view of a stream, and say of it that there is no leader; a port of 0 is omitted.
 */
export type FakeBackend = 'blocking-query' | 'streaming'

/** Is a query of health answered from a stream? `near` turns it off, and one that does not block asks the servers. */
export function isStreamed(backend: FakeBackend, query: URLSearchParams): boolean {
  const blocks = Number(query.get('index') ?? 0) > 0
  return backend === 'streaming' && (blocks || query.has('cached')) && !query.has('near')
}

/** What each answer says of itself, whatever it is. */
export function headersOf(backend: FakeBackend, path: string): Readonly<Record<string, string>> {
  if (backend === 'blocking-query') return {}
  const ofServers = !path.startsWith('/v1/agent/')
  return {
    'x-consul-default-acl-policy': 'allow',
    ...(ofServers ? { 'x-consul-query-backend': 'blocking-query' } : {}),
  }
}

// What the streaming backend says nothing of, because its view does not hold it.
const UNSAID: ReadonlySet<string> = new Set(['x-consul-results-filtered-by-acls'])

/** An error of 1.13 says nothing of an index or a leader, which one of 1.8 makes up. */
const OF_ERRORS: ReadonlySet<string> = new Set([
  'x-consul-index',
  'x-consul-knownleader',
  'x-consul-lastcontact',
])

/** Whatever a test has an answer of 200 say of its leader, of ACLs or of its age: a stream says what it always says. */
export function sayAsNewer(response: ServerResponse, isStream: boolean): void {
  const writeHead = response.writeHead.bind(response) as (
    status: number,
    headers: OutgoingHttpHeaders,
  ) => ServerResponse
  response.writeHead = ((status: number, headers: OutgoingHttpHeaders = {}) => {
    const unsaid = status !== 200 ? OF_ERRORS : isStream ? UNSAID : new Set()
    const said = Object.entries(headers).filter(([name]) => !unsaid.has(name))
    if (status !== 200 || !isStream) return writeHead(status, Object.fromEntries(said))
    const age = headers['age'] === undefined ? {} : { age: '0' }
    return writeHead(status, { ...Object.fromEntries(said), ...streamed, ...age })
  }) as ServerResponse['writeHead']
}

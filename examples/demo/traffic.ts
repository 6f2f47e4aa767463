import type { ClientInspection } from '@fairlead/sdk'

/** What came of a client's requests so far. */
export interface Tally {
  /** Answered with 200, by instance. */
  readonly ok: ReadonlyMap<string, number>
  readonly failed: number
}

/** Something that sends requests without a pause, and lets itself be watched. */
export interface Traffic extends AsyncDisposable {
  readonly name: string
  /** The first word of it. */
  readonly short: string
  /** By which way its requests go. */
  readonly way: string
  /** How far a share may be from its due, relative to the due. */
  readonly tolerance: number
  /** A copy: two of them can be compared. */
  tally(): Tally
  /** The balancer's own view of the instances. */
  inspection(): ClientInspection
  /** Why the last failed request failed. */
  lastError(): string | undefined
  /** Sends no more requests, and lets those in flight finish. */
  stop(): Promise<void>
}

export function answered({ ok }: Tally): number {
  return [...ok.values()].reduce((sum, count) => sum + count, 0)
}

export function difference(after: Tally, before: Tally): Tally {
  const ok = new Map([...after.ok].map(([id, count]) => [id, count - (before.ok.get(id) ?? 0)]))
  return { ok, failed: after.failed - before.failed }
}

/** The share of the answers that came from `id`, 0 to 1. */
export function shareOf(id: string, tally: Tally): number {
  return (tally.ok.get(id) ?? 0) / Math.max(answered(tally), 1)
}

/** What the client thinks of an instance, in a word or two. */
export function stateOf(id: string, { endpoints, excluded }: ClientInspection): string {
  const endpoint = endpoints.find(({ key }) => isOf(id, key))
  if (endpoint !== undefined) {
    const { state, reason } = endpoint.availability
    return state === 'available' ? 'in use' : `${state} (${String(reason)})`
  }
  return excluded.find(({ key }) => isOf(id, key))?.reason ?? 'unknown'
}

export function endpointOf(
  id: string,
  { endpoints }: ClientInspection,
): ClientInspection['endpoints'][number] | undefined {
  return endpoints.find(({ key }) => isOf(id, key))
}

/** A key is `<node>/<service id>@<host>:<port>`. */
function isOf(id: string, key: string): boolean {
  return key.includes(`/${id}@`)
}

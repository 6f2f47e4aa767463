import type { Ending } from '../recording.js'

export interface Sent {
  readonly ending: Ending
  /** Why not `ok`. */
  readonly reason: string | undefined
}

/** How the load reaches the instances. */
export interface Sender {
  /** Never rejects. */
  send(method: 'GET' | 'POST'): Promise<Sent>
  /** Attempts at each instance so far, by port. */
  attempts(): Promise<Readonly<Record<number, number>>>
}

/** A response as far as its head. */
export interface Head {
  readonly status: number
  /** What the subject calls an error of its own that it has answered with. */
  readonly error: string | undefined
  text(): Promise<string>
}

/** A request to its end. */
export async function complete(request: Promise<Head>, expected: string): Promise<Sent> {
  let head: Head
  try {
    head = await request
  } catch (error) {
    return { ending: 'failed', reason: nameOf(error) }
  }
  try {
    const text = await head.text()
    if (head.status !== 200) return { ending: 'failed', reason: head.error ?? `status ${head.status}` }
    return text === expected ? { ending: 'ok', reason: undefined } : { ending: 'cut', reason: 'another body' }
  } catch (error) {
    return head.status === 200
      ? { ending: 'cut', reason: nameOf(error) }
      : { ending: 'failed', reason: nameOf(error) }
  }
}

/** Attempts as `inspect()` and `/endpoints` have them. */
export function attemptsOf(
  endpoints: readonly { readonly origin: string; readonly requests: number }[],
): Readonly<Record<number, number>> {
  return Object.fromEntries(endpoints.map(({ origin, requests }) => [new URL(origin).port, requests]))
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

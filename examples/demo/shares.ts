import type { Orders } from './orders.js'
import { difference, shareOf, type Tally, type Traffic } from './traffic.js'

/** Something that has to be true for the demo to succeed. */
export interface Claim {
  readonly holds: boolean
  readonly text: string
}

// Enough answers for a share to mean something: some 500 for the smallest.
const MEASURED_S = 8

// A peak EWMA remembers one slow sample (a cold start, a stall of the machine) for 10 s, and the instance gets fewer
// requests meanwhile. That is what it is for; so the shares have the time to settle.
const PATIENCE_S = 20

export interface Settled {
  readonly seconds: number
  /** For each client, for people. */
  readonly shares: readonly string[]
  readonly claims: readonly Claim[]
}

/** The shares of the last seconds, as soon as they are those of the weights, or when there was time enough. */
export async function settledShares(
  { instances, clients }: { readonly instances: readonly Orders[]; readonly clients: readonly Traffic[] },
  run: (seconds: number) => Promise<void>,
): Promise<Settled> {
  const history: Tally[][] = []
  for (let seconds = 0; ; seconds++) {
    history.push(clients.map((client) => client.tally()))
    const recent = clients.map((_, client) => lately(history, client))
    const claims = clients.map((client, index) => judgeShares(instances, client, recent[index] ?? NOTHING))
    const settled = seconds >= MEASURED_S && claims.every(({ holds }) => holds)
    if (settled || seconds === PATIENCE_S) {
      const shares = clients.map((client, index) => listShares(instances, client, recent[index] ?? NOTHING))
      return { seconds, shares, claims }
    }
    await run(1)
  }
}

const NOTHING: Tally = { ok: new Map(), failed: 0 }

function lately(history: readonly (readonly Tally[])[], client: number): Tally {
  const [before, after] = [history.at(-1 - MEASURED_S), history.at(-1)]
  return difference(after?.[client] ?? NOTHING, before?.[client] ?? NOTHING)
}

/** Are the answers spread as the weights say, each share within the policy's tolerance of itself? */
function judgeShares(instances: readonly Orders[], { name, way, tolerance }: Traffic, tally: Tally): Claim {
  const due = dueShares(instances)
  const got = instances.map(({ id }) => shareOf(id, tally))
  return {
    holds: due.every((share, index) => Math.abs((got[index] ?? 0) - share) <= share * tolerance),
    text:
      `${name} (${way}): shares ${percents(got)}, due ${percents(due)}, ` +
      `each within ${Math.round(tolerance * 100)}% of its due`,
  }
}

/** Shares as they were, for people. */
function listShares(instances: readonly Orders[], { short }: Traffic, tally: Tally): string {
  return `${short} ${percents(instances.map(({ id }) => shareOf(id, tally)))}`
}

function dueShares(instances: readonly Orders[]): number[] {
  const total = instances.reduce((sum, { weight }) => sum + weight, 0)
  return instances.map(({ weight }) => weight / total)
}

function percents(shares: readonly number[]): string {
  return `${shares.map((share) => (share * 100).toFixed(1)).join(' / ')}%`
}

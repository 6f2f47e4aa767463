import { lookup as systemsOwn } from 'node:dns/promises'

/**
 * Finds the addresses of a host name; rejects where that is not possible.
 *
 * @param known Those it had the last time, for a look-up that can get at a part of them only.
 */
export type HostLookup = (
  host: string,
  known: readonly string[],
  signal: AbortSignal,
) => Promise<readonly string[]>

/** The machine's own rule, which honours its hosts file; in the order in which the machine would try them. */
export const systemLookup: HostLookup = async (host) => {
  const found = await systemsOwn(host, { all: true, order: 'verbatim' })
  return found.map(({ address }) => address)
}

import type { Instance } from './resolver.js'

/**
 * Where requests to an instance go: its origin, and where its host name has been resolved, that with the addresses it
 * leads to instead of the name. Instances of one place are one endpoint, however often it is registered.
 * For an address that is not a name's, which is nearly every one, it is a string that is there already.
 */
export function placeOf({ origin, addresses }: Pick<Instance, 'origin' | 'addresses'>): string {
  if (addresses === undefined) return origin
  // Their order is a preference.
  const hosts = addresses.length > 1 ? [...addresses].sort().join() : (addresses[0] ?? '')
  return `${origin.slice(0, origin.indexOf('//') + 2)}${hosts}${origin.slice(origin.lastIndexOf(':'))}`
}

/** Equal for places that are one address, whichever of them speaks TLS there. */
export function addressOfPlace(place: string): string {
  return isHttps(place) ? `http${place.slice('https'.length)}` : place
}

/** The same address with the other scheme. */
export function otherScheme(place: string): string {
  return isHttps(place) ? addressOfPlace(place) : `https${place.slice('http'.length)}`
}

/** `host:port`, and what else tells places of one name apart, as a key ends with it. */
export function addressIn(key: string): string {
  return key.slice(key.lastIndexOf('@') + 1)
}

function isHttps(place: string): boolean {
  return place[4] === 's'
}

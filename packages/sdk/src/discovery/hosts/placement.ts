import { isIPv4, isIPv6 } from 'node:net'
import type { Instance } from '../resolver.js'

/**
 * The instances that an instance stands for once the addresses of its host name are known.
 *
 * At most one address of a family is one machine, perhaps with two ways to it: the connection tries them in turn.
 * Several of a family are as many machines behind one name, which share its weight; they are taken from the family that
 * has more of them (IPv4 on a tie), as the same machines with their other addresses would count twice. The origin stays:
 * the name is what `Host` and TLS go by.
 */
export function placed(instance: Instance, addresses: readonly string[]): readonly Instance[] {
  const v4 = addresses.filter((address) => isIPv4(address))
  const v6 = addresses.filter((address) => isIPv6(address))
  if (v4.length <= 1 && v6.length <= 1) return [Object.freeze({ ...instance, addresses })]
  // DNS answers in another order each time; ours is always the same.
  const machines = (v6.length > v4.length ? v6 : v4).sort()
  const weight = instance.weight / machines.length
  return machines.map((address) =>
    Object.freeze({
      ...instance,
      key: `${instance.key}/${address}`,
      addresses: Object.freeze([address]),
      weight,
    }),
  )
}

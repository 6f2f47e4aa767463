import { didYouMean } from '../validation/known-names.js'
import { FairleadError } from '../errors.js'
import type { Random } from '../random.js'
import { balancers } from './balancers.js'
import { registeredWeight, type Balancer } from './picker.js'

const names = Object.keys(balancers)

// An empty set needs no randomness.
const random: Random = { next: () => 0, bits: () => 0 }

/**
 * What a value should have been to be a balancer, as the end of "it must be ..."; undefined: it is one. A function is
 * tried on no endpoint, as after an empty answer of discovery: a factory that was not called, such as `maglev`, gives
 * no picker then.
 */
export function whyNoBalancer(value: unknown): string | undefined {
  if (typeof value === 'string') {
    if (names.includes(value)) return undefined
    return `one of ${names.join(', ')}, or a function (endpoints, random, weightOf) => picker${didYouMean(value, names)}`
  }
  if (typeof value !== 'function')
    return `one of ${names.join(', ')}, or a function (endpoints, random, weightOf) => picker`
  if (makesPickers(value as Balancer)) return undefined
  const { name } = value
  return `a function that makes a picker; ${name === '' ? 'this one makes something else' : `${name} is called to get one: ${name}()`}, and a layer, such as slowStart(), is put before a policy by compose()`
}

function makesPickers(value: Balancer): boolean {
  try {
    const made: unknown = value([], random, registeredWeight)
    return (
      typeof made === 'object' && made !== null && typeof (made as { pick?: unknown }).pick === 'function'
    )
  } catch (thrown) {
    // One of our own that was not called takes the endpoints for its options. What another throws costs requests, and
    // is logged when it does.
    return !(thrown instanceof FairleadError && thrown.code === 'INVALID_OPTION')
  }
}

import { balancers, FairleadError, validateOptions, type BalancerName } from '@fairlead/sdk'
import { InvalidArgumentError } from 'commander'

export const balancerNames: readonly string[] = Object.keys(balancers)

/** For commander's `argParser`, as `choices` does it, and with the name that was most likely meant. */
export function parseBalancerName(value: string): BalancerName {
  if (isName(value)) return value
  const near = nearestTo(value)
  const hint = near === undefined ? '' : ` Did you mean ${near}?`
  throw new InvalidArgumentError(`Allowed choices are ${balancerNames.join(', ')}.${hint}`)
}

function isName(value: string): value is BalancerName {
  return balancerNames.includes(value)
}

/** What the SDK says was meant: which names are near is its to judge, and stands at the end of its error. */
function nearestTo(value: string): string | undefined {
  try {
    validateOptions({ balancer: value as BalancerName })
  } catch (error) {
    if (!(error instanceof FairleadError)) throw error
    // Another mistake, in a variable of Consul's, may come first: then it is none of the names.
    const [, near = ''] = /did you mean (\w+)\?/.exec(error.message) ?? []
    if (isName(near)) return near
  }
  return undefined
}

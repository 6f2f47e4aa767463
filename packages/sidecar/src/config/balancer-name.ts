import { balancers, FairleadError, validateOptions, type BalancerName } from '@fairlead/sdk'
import { InvalidArgumentError } from 'commander'

export const balancerNames: readonly string[] = Object.keys(balancers)

/** For commander's `argParser`: rejects as `choices` does, and suggests the name that was most likely meant. */
export function parseBalancerName(value: string): BalancerName {
  if (isName(value)) return value
  const near = nearestTo(value)
  const hint = near === undefined ? '' : ` Did you mean ${near}?`
  throw new InvalidArgumentError(`Allowed choices are ${balancerNames.join(', ')}.${hint}`)
}

function isName(value: string): value is BalancerName {
  return balancerNames.includes(value)
}

/** The SDK's suggestion, which is at the end of its error. */
function nearestTo(value: string): string | undefined {
  try {
    validateOptions({ balancer: value as BalancerName })
  } catch (error) {
    if (!(error instanceof FairleadError)) throw error
    // Another mistake, in a variable of Consul's, may come first: then there is no suggestion.
    const [, near = ''] = /did you mean (\w+)\?/.exec(error.message) ?? []
    if (isName(near)) return near
  }
  return undefined
}

import type { ClientParts } from '../client.js'
import { FairleadError } from '../errors.js'

/** For a channel whose target is not the service of its client. `channel`: what it is called. */
export function wrongTarget(channel: string, { service }: ClientParts): FairleadError {
  return new FairleadError(
    'INVALID_OPTION',
    `${channel} has the client of ${service}: its target must be fairlead:${service}`,
  )
}

import { invalidOption } from './invalid-option.js'
import { serviceOrigins, type ServiceOrigins } from './service-url.js'

// What can stand in a host name, since a service is addressed as http://<service>/; Consul's DNS asks for no less.
const SERVICE = /^[a-z\d](?:[a-z\d._-]{0,251}[a-z\d])?$/i

/** A service by its name in Consul. */
export interface NamedService {
  readonly service: string
  /** How it is written in a URL. */
  readonly origins: ServiceOrigins
}

/**
 * @param option What to call it in an error.
 * @throws FairleadError `INVALID_OPTION` for a name that no URL can have.
 */
export function parseServiceName(service: unknown, option = 'service'): NamedService {
  if (typeof service !== 'string' || !SERVICE.test(service)) {
    throw invalidOption(
      option,
      service,
      'the name of a Consul service: letters, digits, "-", "_" and ".", not at an end, at most 253',
    )
  }
  const origins = serviceOrigins(service)
  if (origins === undefined) {
    throw invalidOption(
      option,
      service,
      `a name that can be the host of a URL: neither http://${service} nor http://${service}.service.consul is one, so that fetch could not address it`,
    )
  }
  return { service, origins }
}

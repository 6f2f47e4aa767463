import { invalidOption } from '../validation/invalid-option.js'
import type { AgentOptions } from './agent.js'

/** Where an agent's address comes from, and what goes for one without a scheme. */
export interface GivenAddress {
  /** The option or variable, for messages. */
  readonly name: string
  readonly text: string
  /** Of an address that has none. */
  readonly scheme: 'http' | 'https'
  /** TLS is configured: a scheme that says otherwise, left behind in the other variable, must not send a token in the clear. */
  readonly secured: boolean
  /** The option `tls` is there, which a unix socket or plain http has no use for. */
  readonly tls: boolean
}

const ADDRESS = 'http://host:port, https://host:port, host:port or unix:///path'

// Without a scheme a port has to be there: what is not one of these is a slip, of which the parser for URLs makes a host.
const HOST_AND_PORT = /^(?:\[[\da-f:.]+\]|[^\s/:[\]@?#]+):\d{1,5}(?:\/.*)?$/i

/**
 * Reads the address of an agent.
 *
 * @throws FairleadError `INVALID_OPTION`, with what was most likely meant.
 */
export function parseAddress(given: GivenAddress): Pick<AgentOptions, 'address' | 'pathPrefix'> {
  const { name, text, scheme, secured, tls } = given
  if (/^unix:\/\/\/./.test(text)) {
    // It would silently be plain HTTP, which is not what was meant.
    if (tls) throw invalidOption(name, text, 'https:// where consul.tls is given')
    return { address: text, pathPrefix: '' }
  }
  const bare = text.trim()
  const schemed = /^https?:\/\//i.test(bare)
  if (!schemed && !HOST_AND_PORT.test(bare)) throw wrong(given)
  const asked = secured ? bare.replace(/^http:/i, 'https:') : bare
  const full = schemed ? asked : `${scheme}://${bare}`
  const url = URL.canParse(full) ? new URL(full) : undefined
  if (url === undefined) throw wrong(given)
  if (url.search !== '' || url.hash !== '')
    throw invalidOption(name, text, `${ADDRESS}; a path may follow the port, "?" and "#" may not`)
  if (url.username !== '') throw invalidOption(name, text, `${ADDRESS}; a user goes into consul.basicAuth`)
  // A host that is a number is one of the oldest ways to write an IPv4 address, and here it is a port.
  if (/^(?:https?:\/\/)?\d+(?=[:/]|$)/i.test(bare)) throw wrong(given)
  if (url.protocol === 'http:' && tls) throw invalidOption(name, text, 'https:// where consul.tls is given')
  const pathPrefix = url.pathname.replace(/\/+$/, '')
  if (/(?:^|\/)v1$/.test(pathPrefix)) throw wrong(given)
  return { address: url.origin, pathPrefix }
}

function wrong({ name, text }: GivenAddress): Error {
  const meant = meantBy(text.trim())
  return invalidOption(name, text, meant === undefined ? ADDRESS : `${ADDRESS}; did you mean ${meant}?`)
}

/** What was most likely meant, where that can be told. */
function meantBy(text: string): string | undefined {
  const port = /^(?:https?:\/\/)?:?(\d{1,5})\/?$/i.exec(text)
  if (port !== null) return `127.0.0.1:${port[1]}`
  const socket = /^(?:unix:)?\/*(\/.+)$/i.exec(text)
  if (socket !== null && /^(?:unix:|\/)/i.test(text)) return `unix://${socket[1]}`
  const schemed = /^(https?|unix|tcp)(?::\/{0,2}|\/\/)(?!\d+$)(.+)$/i.exec(text)
  if (schemed !== null) {
    const [, written = '', rest = ''] = schemed
    const scheme = written.toLowerCase()
    if (scheme === 'unix') return `unix:///${rest}`
    const repaired = `${scheme === 'https' ? 'https' : 'http'}://${rest.replace(/\/+$/, '').replace(/\/v1$/, '')}`
    return repaired === text ? undefined : repaired
  }
  const plain = text.replace(/\/+$/, '').replace(/\/v1$/, '').replace(/:$/, '')
  if (HOST_AND_PORT.test(plain) && plain !== text) return plain
  return /^(?:\[[\da-f:.]+\]|[\w.-]+)$/i.test(plain) ? `${plain}:8500` : undefined
}

import { cookieValue, headerValues, type RequestFields } from '../hashing/request-fields.js'
import type { StickySettings } from './sticky-options.js'

/** Where sessions stand in requests and responses. */
export interface SessionCarrier {
  /** The session of a request. */
  read(headers: RequestFields['headers']): string | undefined
  /** The head of a response, with this session in it. Headers as they are on the wire, name and value in turn. */
  write(headers: readonly Buffer[], token: string): Buffer[]
}

export function sessionCarrier(settings: StickySettings['carrier']): SessionCarrier {
  return settings.kind === 'cookie'
    ? cookieCarrier(settings.name, settings.attributes)
    : headerCarrier(settings.name)
}

function cookieCarrier(name: string, attributes: string): SessionCarrier {
  const header = Buffer.from('set-cookie')
  return {
    read: (headers) => cookieValue(headerValues(headers, 'cookie'), name),
    // Beside the backend's own: each cookie has a header of its own (RFC 6265, 3).
    write: (headers, token) => [...headers, header, Buffer.from(`${name}=${token}${attributes}`, 'latin1')],
  }
}

function headerCarrier(name: string): SessionCarrier {
  const lower = name.toLowerCase()
  const header = Buffer.from(lower)
  return {
    read(headers) {
      const values = headerValues(headers, lower)
      return typeof values === 'string' ? values : values?.[0]
    },
    // Instead of one that the backend may send, such as another proxy's: two would be one value with a comma in it.
    write: (headers, token) => [...without(headers, lower), header, Buffer.from(token)],
  }
}

function without(headers: readonly Buffer[], name: string): readonly Buffer[] {
  const isOther = (_: Buffer, index: number): boolean =>
    headers[index & ~1]?.toString('latin1').toLowerCase() !== name
  return headers.filter(isOther)
}

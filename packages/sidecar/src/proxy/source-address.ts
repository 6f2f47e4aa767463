import type { IncomingMessage } from 'node:http'
import { isIP, SocketAddress } from 'node:net'

/**
 * The address of the client behind a request: the last one of `X-Forwarded-For`, else that of the connection, unless that
 * is a loopback address: the application's own requests would have the same key on every host, and a whole fleet would
 * send them to one instance.
 * The peer of a sidecar is the application beside it, and the last address is the client of the application's own front
 * proxy; those before it are not trusted. Source: Envoy's `use_remote_address: false` with `xff_num_trusted_hops: 0`,
 * which ignores an invalid address.
 */
export function sourceAddress({ headers, socket }: IncomingMessage): string | undefined {
  return canonical(lastForwarded(headers['x-forwarded-for'])) ?? remote(canonical(socket.remoteAddress))
}

function remote(address: string | undefined): string | undefined {
  return address === undefined || LOOPBACK.test(address) ? undefined : address
}

/** node:http has joined repeated headers. RFC 9110, 5.6.1.2: empty elements of a list are ignored. */
function lastForwarded(list: string | readonly string[] | undefined): string | undefined {
  return list
    ?.toString()
    .split(',')
    .map((element) => element.trim())
    .findLast((element) => element !== '')
}

// RFC 1122, 3.2.1.3; RFC 4291, 2.5.3.
const LOOPBACK = /^(?:127\.|::1$)/

// RFC 4291, 2.5.5.2: an IPv4 peer of a server that listens on `::`.
const MAPPED = /^::ffff:(?=\d+\.)/

/** In canonical form, as an IPv6 address has many spellings, which must all be one key. */
function canonical(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  switch (isIP(text)) {
    case 4:
      return text
    case 6:
      return new SocketAddress({ address: text, family: 'ipv6' }).address.replace(MAPPED, '')
    default:
      return undefined
  }
}

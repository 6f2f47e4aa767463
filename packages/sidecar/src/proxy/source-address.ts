import type { IncomingMessage } from 'node:http'
import { isIP, SocketAddress } from 'node:net'

/**
 * Whose request it is, as far as an address can tell: the last one of `X-Forwarded-For`, else that of the connection,
 * unless that is a loopback address: the application's own requests would have one key on every host, and all of a
 * fleet send them to one instance.
 * Who connects to a sidecar is the application beside it, and the last address is the one that its own front saw; those
 * before it anyone may have made up. Source: Envoy's `use_remote_address: false` with `xff_num_trusted_hops: 0`, where
 * an address that is none counts as if it were not there.
 */
export function sourceAddress({ headers, socket }: IncomingMessage): string | undefined {
  return addressOf(lastForwarded(headers['x-forwarded-for'])) ?? remote(addressOf(socket.remoteAddress))
}

function remote(address: string | undefined): string | undefined {
  return address === undefined || LOOPBACK.test(address) ? undefined : address
}

/** node:http has joined repeated headers by then. RFC 9110, 5.6.1.2: empty elements of a list do not count. */
function lastForwarded(list: string | readonly string[] | undefined): string | undefined {
  return list
    ?.toString()
    .split(',')
    .map((element) => element.trim())
    .findLast((element) => element !== '')
}

// RFC 1122, 3.2.1.3; RFC 4291, 2.5.3.
const LOOPBACK = /^(?:127\.|::1$)/

// RFC 4291, 2.5.5.2: an IPv4 peer, as a server sees it that listens on `::`.
const MAPPED = /^::ffff:(?=\d+\.)/

/** In one spelling, since IPv6 has many for an address, and all of them have to be one key. */
function addressOf(text: string | undefined): string | undefined {
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

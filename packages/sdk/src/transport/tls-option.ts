import { createSecureContext } from 'node:tls'
import * as v from 'valibot'
import type { TlsOptions } from './connector.js'
import { asError } from '../errors.js'
import { didYouMean } from '../validation/known-names.js'

// What Node 20 to 26 document for `tls.createSecureContext`, `tls.connect`, `new tls.TLSSocket` and `socket.connect`,
// and undici for its connector; without what is the endpoint's own (host, port, path, timeout).
const KNOWN: readonly string[] = [
  ...[
    'ALPNCallback',
    'allowPartialTrustChain',
    'ca',
    'cert',
    'certificateCompression',
    'ciphers',
    'clientCertEngine',
  ],
  ...[
    'crl',
    'dhparam',
    'ecdhCurve',
    'honorCipherOrder',
    'key',
    'maxVersion',
    'minVersion',
    'passphrase',
    'pfx',
  ],
  ...['privateKeyEngine', 'privateKeyIdentifier', 'secureOptions', 'secureProtocol', 'sessionIdContext'],
  ...['sessionTimeout', 'sigalgs', 'ticketKeys'],
  ...[
    'ALPNProtocols',
    'checkServerIdentity',
    'enableTrace',
    'minDHSize',
    'pskCallback',
    'rejectUnauthorized',
  ],
  ...['requestOCSP', 'secureContext', 'servername', 'session'],
  ...[
    'autoSelectFamily',
    'autoSelectFamilyAttemptTimeout',
    'family',
    'hints',
    'highWaterMark',
    'localAddress',
  ],
  ...['localPort', 'lookup', 'noDelay', 'onread', 'signal'],
  ...['allowH2', 'keepAlive', 'keepAliveInitialDelay', 'maxCachedSessions', 'typeOfService'],
]

/** Node's own options for TLS. A misspelt `rejectUnauthorised` or `caFile` would be ignored without a word. */
export const tlsSchema: v.GenericSchema<TlsOptions> = v.custom<TlsOptions>(
  (value) => whyNoTls(value) === undefined,
  ({ input }) => whyNoTls(input) ?? '',
)

/** The end of "it must be ...". */
function whyNoTls(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'an object of TLS options'
  const unknown = Object.keys(value).find((name) => !KNOWN.includes(name))
  if (unknown !== undefined)
    return `Node's own options for TLS; remove ${unknown} or check its spelling${didYouMean(unknown, KNOWN)}`
  try {
    // What cannot be read as a certificate or key would fail each connection, long after the start.
    createSecureContext(value)
    return undefined
  } catch (thrown) {
    return `what tls.createSecureContext takes (${asError(thrown).message})`
  }
}

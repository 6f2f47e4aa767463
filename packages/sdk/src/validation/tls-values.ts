import { isIP } from 'node:net'
import { types } from 'node:util'
import * as v from 'valibot'

interface Kind {
  /** The end of "it must be ...". */
  readonly what: string
  readonly allows: (value: unknown) => boolean
}

const kind = (what: string, allows: (value: unknown) => boolean): Kind => ({ what, allows })
const whole = (least: number, most: number, what = `a whole number from ${least} to ${most}`): Kind =>
  kind(what, (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most)

const flag = kind('true or false', (value) => typeof value === 'boolean')
const call = kind('a function', (value) => typeof value === 'function')
const isBytes = (value: unknown): boolean => types.isArrayBufferView(value)

const MOST = 2 ** 31 - 1

/**
 * What `tls.connect`, `socket.connect` and undici's connector throw for, or silently take for something else (`'false'` is
 * not false), once there is a connection to be made; by Node 20 to 26. The options of a secure context are not among
 * them: `tls.createSecureContext` has been asked about those.
 */
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['ALPNCallback', call],
  [
    'ALPNProtocols',
    kind('a list of names of protocols', (value) =>
      Array.isArray(value) ? value.every(isName) : isBytes(value),
    ),
  ],
  ['checkServerIdentity', call],
  ['pskCallback', call],
  ['lookup', call],
  ['enableTrace', flag],
  ['rejectUnauthorized', flag],
  ['requestOCSP', flag],
  ['honorCipherOrder', flag],
  ['allowPartialTrustChain', flag],
  ['autoSelectFamily', flag],
  ['noDelay', flag],
  ['keepAlive', flag],
  ['allowH2', flag],
  ['minDHSize', kind('a number of bits above 0', (value) => typeof value === 'number' && value > 0)],
  ['secureContext', kind('what tls.createSecureContext returns', isSecureContext)],
  ['servername', kind('a host name', (value) => typeof value === 'string')],
  ['session', kind('a Buffer', isBytes)],
  ['autoSelectFamilyAttemptTimeout', whole(1, MOST, `a whole number of milliseconds from 1 to ${MOST}`)],
  ['keepAliveInitialDelay', whole(0, MOST, `a whole number of milliseconds from 0 to ${MOST}`)],
  ['family', kind('4, 6, or 0 for either', (value) => value === 0 || value === 4 || value === 6)],
  ['hints', whole(0, MOST, 'flags of node:dns, such as dns.ADDRCONFIG')],
  ['highWaterMark', whole(0, Number.MAX_SAFE_INTEGER, 'a number of bytes, 0 or more')],
  [
    'localAddress',
    kind('an IP address of this machine', (value) => typeof value === 'string' && isIP(value) > 0),
  ],
  ['localPort', whole(0, 65_535)],
  ['maxCachedSessions', whole(0, MOST)],
  ['typeOfService', whole(0, 255)],
  ['signal', kind('an AbortSignal', (value) => value instanceof AbortSignal)],
  ['onread', kind('an object with buffer and callback', (value) => typeof value === 'object')],
])

/**
 * Refuses a value of an option for TLS that would fail each connection; and leaves out options that are undefined, which
 * Node would put in the place of its defaults and then stumble over (`checkServerIdentity`, `minDHSize`).
 */
export const tlsValues: v.GenericPipeAction<object, object> = v.rawTransform(
  ({ dataset: { value: options }, addIssue, NEVER }) => {
    const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null)
    for (const [key, value] of given as [string, unknown][]) {
      const wanted = KINDS.get(key)
      if (wanted === undefined || wanted.allows(value)) continue
      const path: [v.ObjectPathItem] = [
        { type: 'object', origin: 'value', input: options as Record<string, unknown>, key, value },
      ]
      addIssue({ input: value, message: wanted.what, path })
      return NEVER
    }
    return Object.fromEntries(given)
  },
)

function isName(value: unknown): boolean {
  return (typeof value === 'string' && value.length > 0 && value.length < 256) || isBytes(value)
}

function isSecureContext(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'context' in value
}

import { createServer, type AddressInfo } from 'node:net'
import { connect, createSecureContext } from 'node:tls'
import { buildConnector } from 'undici'
import { describe, expect, test } from 'vitest'
import { parseOptions } from '../client-options.js'

const parse = (tls: unknown): object => parseOptions('orders', { connections: { tls } }, {}).connections.tls

const names = [
  ...['ALPNCallback', 'ALPNProtocols', 'checkServerIdentity', 'enableTrace', 'minDHSize', 'pskCallback'],
  ...['rejectUnauthorized', 'requestOCSP', 'secureContext', 'servername', 'session', 'honorCipherOrder'],
  ...['autoSelectFamily', 'autoSelectFamilyAttemptTimeout', 'family', 'hints', 'highWaterMark', 'localPort'],
  ...['localAddress', 'lookup', 'noDelay', 'onread', 'signal', 'keepAlive', 'keepAliveInitialDelay'],
  ...['secureOptions', 'sessionTimeout', 'ticketKeys', 'sessionIdContext', 'sigalgs', 'crl', 'ciphers', 'ca'],
  ...['cert', 'key', 'pfx', 'minVersion', 'maxVersion', 'secureProtocol', 'ecdhCurve', 'dhparam', 'allowH2'],
  ...['maxCachedSessions', 'passphrase'],
]
const odd: readonly unknown[] = [5, -1, 1.5, 'x', {}, [], true, false, () => undefined, null, undefined]

test('what Node and undici throw for when they connect is refused before', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const thrown = (tls: object): Error | undefined => {
    try {
      buildConnector(tls)
      connect({ host: '127.0.0.1', port, ...tls })
        .on('error', () => undefined)
        .destroy()
      return undefined
    } catch (error) {
      return error as Error
    }
  }
  let refused = 0
  for (const name of names) {
    for (const value of odd) {
      // It writes each handshake to stderr.
      if (name === 'enableTrace' && value === true) continue
      let taken: object
      try {
        taken = parse({ [name]: value })
      } catch {
        refused++
        continue
      }
      expect([name, value, thrown(taken)]).toEqual([name, value, undefined])
    }
  }
  expect(refused).toBeGreaterThan(150)
  server.close()
})

describe('a value of the wrong kind', () => {
  test.each<[object, string]>([
    [{ servername: 5 }, 'connections.tls.servername is 5: it must be a host name'],
    [{ session: 'x' }, 'connections.tls.session is text of 1 characters: it must be a Buffer'],
    [{ checkServerIdentity: 'x' }, "connections.tls.checkServerIdentity is 'x': it must be a function"],
    [{ minDHSize: -1 }, 'connections.tls.minDHSize is -1: it must be a number of bits above 0'],
    [{ lookup: 5 }, 'connections.tls.lookup is 5: it must be a function'],
    [{ localAddress: 'nope' }, "connections.tls.localAddress is 'nope': it must be an IP address"],
    [
      { rejectUnauthorized: 'false' },
      "connections.tls.rejectUnauthorized is 'false': it must be true or false",
    ],
    [{ ALPNProtocols: 5 }, 'connections.tls.ALPNProtocols is 5: it must be a list of names of protocols'],
  ])('%j is refused by its name', (tls, message) => {
    expect(() => parse(tls)).toThrow(message)
  })

  test('is none of these', () => {
    const tls = {
      servername: 'orders.internal',
      checkServerIdentity: () => undefined,
      ALPNProtocols: ['http/1.1'],
      secureContext: createSecureContext(),
      session: Buffer.alloc(0),
      localAddress: '::1',
      signal: new AbortController().signal,
      rejectUnauthorized: false,
    }
    expect(parse(tls)).toEqual(tls)
  })

  test('undefined is as if the option were not there', () => {
    expect(parse({ checkServerIdentity: undefined, minDHSize: undefined, ca: undefined })).toEqual({})
  })
})

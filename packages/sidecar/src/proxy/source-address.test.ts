import fc from 'fast-check'
import { IncomingMessage } from 'node:http'
import { isIP, Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { send, serve } from '../testing/rig.test.support.js'
import { sourceAddress } from './source-address.js'

/** Says what it takes for the address of the caller. */
const port = async (): Promise<number> =>
  (await serve((request, response) => response.end(String(sourceAddress(request))))).port

async function seen(headers: readonly string[]): Promise<string> {
  return (await send(await port(), { headers: ['host', 'orders', ...headers] })).text
}

/** A request on a connection from there. */
function from(remoteAddress: string | undefined, forwarded?: string): IncomingMessage {
  const request = new IncomingMessage(
    Object.defineProperty(new Socket(), 'remoteAddress', { value: remoteAddress }),
  )
  if (forwarded !== undefined) request.headers['x-forwarded-for'] = forwarded
  return request
}

describe('X-Forwarded-For', () => {
  test.each<[string, readonly string[], string]>([
    ['is one address', ['10.0.0.7'], '10.0.0.7'],
    ['counts by its last', ['10.0.0.1, 10.0.0.2,10.0.0.7'], '10.0.0.7'],
    ['counts by the last of several', ['10.0.0.1, 10.0.0.2', '10.0.0.7'], '10.0.0.7'],
    ['may have anything before it', ['unknown, <script>,, 10.0.0.7'], '10.0.0.7'],
    ['may have spaces and empty elements', [' ,\t10.0.0.7 , ,', ''], '10.0.0.7'],
    ['may be IPv6', ['2001:db8::7'], '2001:db8::7'],
    ['may be IPv6 in another spelling', ['2001:DB8:0:0:0:0:0:0007'], '2001:db8::7'],
    ['may be IPv4 in IPv6', ['::FFFF:10.0.0.7'], '10.0.0.7'],
    ['may be that in another spelling', ['::ffff:0a00:7'], '10.0.0.7'],
  ])('%s', async (_, lists, address) => {
    expect(await seen(lists.flatMap((list) => ['X-Forwarded-For', list]))).toBe(address)
  })

  test.each([
    '',
    ',',
    'unknown',
    '_hidden',
    '10.0.0.256',
    '10.0.0',
    '010.0.0.7',
    '10.0.0.7:80',
    '[2001:db8::7]',
    '2001:db8::g',
    '10.0.0.7, unknown',
    '10.0.0.7 10.0.0.8',
    'for=10.0.0.7',
  ])('is as if it were not there: %j', async (list) => {
    expect(await seen(['x-forwarded-for', list])).toBe('undefined')
    expect(sourceAddress(from('10.0.0.9', list))).toBe('10.0.0.9')
  })
})

test.each([
  ['10.0.0.9', '10.0.0.9'],
  ['::ffff:10.0.0.9', '10.0.0.9'],
  ['2001:db8:0::9', '2001:db8::9'],
  ['127.0.0.1', undefined],
  ['127.9.9.9', undefined],
  ['::ffff:127.0.0.1', undefined],
  ['::1', undefined],
])(
  'without it the address is that of the connection, and none where that is a loopback: %s',
  (peer, address) => {
    expect(sourceAddress(from(peer))).toBe(address)
  },
)

test('there is none without a connection', () => {
  expect(sourceAddress(new IncomingMessage(new Socket()))).toBeUndefined()
})

test('whatever it says, it is an address or nothing', () => {
  const request = new IncomingMessage(new Socket())
  const part = fc.oneof(
    fc.string(),
    fc.ipV4(),
    fc.ipV6(),
    fc.constant('fe80::1%eth0'),
    fc.string({ unit: 'grapheme' }),
  )
  fc.assert(
    fc.property(part, part, (first, last) => {
      for (const list of [last, `${first},${last}`, `fe80::1%${last}`]) {
        request.headers['x-forwarded-for'] = list
        const address = sourceAddress(request)
        if (address !== undefined) expect(isIP(address)).toBeGreaterThan(0)
      }
    }),
  )
})

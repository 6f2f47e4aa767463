import { describe, expect, test } from 'vitest'
import { forwardedRequestHeaders, forwardedResponseHeaders } from './headers.js'

const HOP_BY_HOP = [
  'Connection',
  'Keep-Alive',
  'Proxy-Connection',
  'Proxy-Authenticate',
  'Proxy-Authorization',
  'TE',
  'Trailer',
  'Transfer-Encoding',
  'Upgrade',
]

function buffers(...flat: string[]): Buffer[] {
  return flat.map((text) => Buffer.from(text, 'latin1'))
}

describe('of a request', () => {
  const forwarded = (raw: string[], connection?: string): string[] => {
    const [host = '', service = '', hopsName, hops, ...others] = forwardedRequestHeaders(
      raw,
      connection,
      'orders',
      3,
    )
    expect([hopsName, hops]).toEqual(['fairlead-hops', '3'])
    return [host, service, ...others]
  }

  test.each(HOP_BY_HOP)('%s stays on its hop, in any spelling', (name) => {
    const raw = ['A', '1', name, 'x', name.toLowerCase(), 'x', name.toUpperCase(), 'x', 'B', '2']
    expect(forwarded(raw)).toEqual(['host', 'orders', 'A', '1', 'B', '2'])
  })

  test('Host is replaced, however often and wherever it stood', () => {
    const raw = ['HOST', 'evil', 'Accept', '*/*', 'Host', 'evil2']
    expect(forwarded(raw)).toEqual(['host', 'orders', 'Accept', '*/*'])
  })

  test.each(['Expect', 'expect', 'Fairlead-Service', 'fairlead-service', 'Fairlead-Hops'])(
    '%s ends here',
    (name) => {
      expect(forwarded([name, 'x'])).toEqual(['host', 'orders'])
    },
  )

  test('what Connection names stays on its hop', () => {
    const raw = ['X-Hop', '1', 'X-Other', '2', 'x-hop', '3', 'Connection', 'Keep-Alive , X-HOP,, x-gone']
    expect(forwarded(raw, 'Keep-Alive , X-HOP,, x-gone')).toEqual(['host', 'orders', 'X-Other', '2'])
  })

  test.each(['keep-alive', 'close', 'Close', ''])('Connection: %j names nothing else', (connection) => {
    expect(forwarded(['Close', '1', 'X-A', '1'], connection)).toEqual(
      connection === 'Close' ? ['host', 'orders', 'X-A', '1'] : ['host', 'orders', 'Close', '1', 'X-A', '1'],
    )
  })

  test('Connection cannot remove what frames or addresses the message', () => {
    const raw = ['Content-Length', '5', 'X-A', '1']
    expect(forwarded(raw, 'content-length, Content-Length, host, x-a')).toEqual([
      'host',
      'orders',
      'Content-Length',
      '5',
    ])
  })

  test('the rest keeps order, spelling and repetition, as bytes', () => {
    const raw = [
      'Cookie',
      'a=1',
      'cOOkie',
      'b=2',
      'X-Bytes',
      'caf\u00e9 \u00ff',
      'X-Empty',
      '',
      'Cookie',
      'c=3',
    ]
    expect(forwarded(raw)).toEqual(['host', 'orders', ...raw])
  })
})

describe('of a response', () => {
  test.each(HOP_BY_HOP)('%s stays on its hop, in any spelling', (name) => {
    const raw = buffers('A', '1', name, 'x', name.toLowerCase(), 'x', name.toUpperCase(), 'x', 'B', '2')
    expect(forwardedResponseHeaders(raw, 200).headers).toEqual(['A', '1', 'B', '2'])
  })

  test('repeated headers are kept apart, in order and spelling', () => {
    const flat = ['Set-Cookie', 'a=1', 'X-Between', '1', 'set-cookie', 'b=2; Path=/', 'SET-COOKIE', 'c=3']
    expect(forwardedResponseHeaders(buffers(...flat), 200).headers).toEqual(flat)
  })

  test('a byte is a character: nothing is decoded', () => {
    const raw = [Buffer.from('X-Bytes'), Buffer.from([0x63, 0xe9, 0xff, 0xc3, 0xa9])]
    expect(forwardedResponseHeaders(raw, 200).headers).toEqual(['X-Bytes', 'c\u00e9\u00ff\u00c3\u00a9'])
  })

  test('what Connection names stays on its hop, wherever Connection stood', () => {
    const flat = ['X-Hop', '1', 'Connection', 'close, x-hop', 'X-Other', '2', 'X-HOP', '3']
    expect(forwardedResponseHeaders(buffers(...flat), 200).headers).toEqual(['X-Other', '2'])
  })

  test('every one of several Connection headers counts', () => {
    const flat = [
      'X-A',
      '1',
      'X-B',
      '2',
      'Connection',
      'x-a',
      'connection',
      'X-B',
      'Connection',
      'close',
      'C',
      '3',
    ]
    expect(forwardedResponseHeaders(buffers(...flat), 200).headers).toEqual(['C', '3'])
  })

  test('Connection cannot remove Content-Length', () => {
    const flat = ['Connection', 'content-length', 'Content-Length', '5']
    expect(forwardedResponseHeaders(buffers(...flat), 200)).toEqual({
      headers: ['Content-Length', '5'],
      length: 5,
    })
  })

  test('the length is that of Content-Length, or unknown', () => {
    expect(forwardedResponseHeaders(buffers('content-LENGTH', '42'), 200).length).toBe(42)
    expect(forwardedResponseHeaders(buffers('X-A', '42'), 200).length).toBeNaN()
  })
})

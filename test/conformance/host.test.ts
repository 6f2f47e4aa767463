import { describe, expect, test } from 'vitest'
import { testCases, type Case } from './cases.js'
import { Wire } from './wire.js'

const BEHIND = 'POST /behind HTTP/1.1\r\nHost: orders\r\nContent-Length: 0\r\n\r\n'

function get(headers: string, version = '1.1', target = '/a'): string {
  return `GET ${target} HTTP/${version}\r\n${headers}\r\n`
}

const served: Omit<Case, 'name' | 'write'> = { statuses: [200], got: ['GET /a'] }
const refused: Omit<Case, 'name' | 'write'> = { statuses: [400], ends: true, error: 'BAD_REQUEST' }

describe('one Host', () => {
  testCases([
    { name: 'once', write: [get('Host: orders\r\n')], ...served },
    { name: 'twice', write: [get('Host: orders\r\nHost: payments\r\n') + BEHIND], ...refused },
    { name: 'twice the same', write: [get('Host: orders\r\nhost: orders\r\n') + BEHIND], ...refused },
    { name: 'one of them empty', write: [get('Host:\r\nHost: orders\r\n') + BEHIND], ...refused },
    {
      name: 'far apart',
      write: [get(`Host: orders\r\n${'X: y\r\n'.repeat(200)}HOST: a\r\n`) + BEHIND],
      ...refused,
    },
    { name: 'two in one', write: [get('Host: orders, payments\r\n') + BEHIND], ...refused },
    { name: 'none', write: [get('') + BEHIND], ...refused },
    { name: 'none, but fairlead-service', write: [get('fairlead-service: orders\r\n') + BEHIND], ...refused },
    { name: 'none, but a target', write: [get('', '1.1', 'http://orders/a') + BEHIND], ...refused },
    { name: 'none, in HTTP/1.0', write: [get('fairlead-service: orders\r\n', '1.0')], ...served, ends: true },
    {
      name: 'twice, and a target',
      write: [get('Host: a\r\nHost: b\r\n', '1.1', 'http://orders/a') + BEHIND],
      ...refused,
    },
  ])
})

describe('fairlead-service is heeded under a name of ours alone', () => {
  const service = 'fairlead-service: orders\r\n'
  const foreign: Omit<Case, 'name' | 'write'> = { statuses: [421], error: 'MISDIRECTED_REQUEST' }

  testCases([
    ...['127.0.0.1:4140', '[::1]:4140', 'localhost:4140', 'orders', 'anything', 'x.service.consul', ''].map(
      (host) => ({
        name: JSON.stringify(host),
        write: [get(`Host: ${host}\r\n${service}`)],
        ...served,
      }),
    ),
    ...['evil.com', 'evil.com:4140', 'localhost.evil.com', '127.0.0.1.nip.io', 'EVIL.COM.'].map((host) => ({
      name: JSON.stringify(host),
      write: [get(`Host: ${host}\r\n${service}`)],
      ...foreign,
    })),
  ])

  testCases([
    ...['127.0.0.1:4140', 'payments', 'orders'].map((host) => ({
      name: `http://${host}/a`,
      write: [get(`Host: payments\r\n${service}`, '1.1', `http://${host}/a`)],
      ...served,
    })),
    {
      name: 'http://evil.com/a',
      write: [get(`Host: localhost\r\n${service}`, '1.1', 'http://evil.com/a')],
      ...foreign,
    },
    {
      name: 'a fragment',
      write: [get('Host: orders\r\n', '1.1', '/a#b')],
      statuses: [400],
      error: 'BAD_REQUEST',
    },
  ])

  test('and under those of --allowed-host and --service', async () => {
    const wire = await Wire.start({ config: { allowedHosts: ['.example.com'], services: ['orders.v1'] } })
    const application = wire.connect()
    for (const host of ['a.example.com', 'example.com:80', 'orders.v1', 'example.org']) {
      await application.write(get(`Host: ${host}\r\n${service}`))
    }
    await application.answered(4)
    expect(application.statuses).toEqual([200, 200, 200, 421])
  })
})

import { describe, expect, test } from 'vitest'
import { Wire, type WireOptions } from './wire.js'

const NEXT = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'

interface AdminCase {
  readonly name: string
  readonly write: string
  readonly statuses: readonly number[]
  readonly ends?: boolean
  readonly options?: WireOptions
}

function get(host: string, headers = ''): string {
  return `GET /endpoints HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n`
}

const CASES: readonly AdminCase[] = [
  ...['127.0.0.1:4191', 'localhost:4191', '[::1]', 'sidecar:4191', 'node.dc1.consul'].map((host) => ({
    name: `served under ${host}`,
    write: get(host),
    statuses: [200],
  })),
  ...['evil.com', 'evil.com:4191', 'localhost.evil.com', '127.0.0.1.nip.io'].map((host) => ({
    name: `not under ${host}, which a page may have`,
    write: get(host),
    statuses: [421],
  })),
  {
    name: 'under a name of --allowed-host',
    write: get('sidecar.example.com'),
    statuses: [200],
    options: { config: { allowedHosts: ['sidecar.example.com'] } },
  },
  {
    name: 'two Host headers',
    write: `${get('localhost', 'Host: evil.com\r\n')}${NEXT}`,
    statuses: [400],
    ends: true,
  },
  { name: 'no Host header', write: 'GET /healthz HTTP/1.1\r\n\r\n', statuses: [400], ends: true },
  {
    name: 'Upgrade',
    write: get('localhost', 'Connection: upgrade\r\nUpgrade: x\r\n') + NEXT,
    statuses: [501],
    ends: true,
  },
  {
    name: 'Transfer-Encoding',
    write: get('localhost', 'Transfer-Encoding: gzip\r\n') + NEXT,
    statuses: [501],
    ends: true,
  },
  {
    name: 'CONNECT',
    write: 'CONNECT orders:443 HTTP/1.1\r\nHost: orders:443\r\n\r\n',
    statuses: [501],
    ends: true,
  },
  {
    name: 'what is not a request, behind one',
    write: `${NEXT}nothing\r\n\r\n`,
    statuses: [200, 400],
    ends: true,
  },
  {
    name: 'a head that is too large',
    write: get('localhost', `X: ${'x'.repeat(20_000)}\r\n`),
    statuses: [431],
    ends: true,
  },
]

describe('the admin port', () => {
  test.each(CASES)('$name', async ({ write, statuses, ends = false, options = {} }) => {
    const wire = await Wire.start(options)
    const application = await wire.connectAdmin().write(write)
    let answers = await (ends ? application.end() : application.answered(statuses.length))
    if (!ends) {
      await application.write(NEXT)
      answers = await application.answered(statuses.length + 1)
    }
    expect(answers.map(({ status }) => status)).toEqual(ends ? statuses : [...statuses, 200])
    expect([application.rest, application.reset]).toEqual(['', false])
    for (const { status, headers, body } of answers) {
      expect(headers['content-type']).toBe('application/json')
      // Says what and why, whatever it is.
      expect(JSON.parse(body)).toBeInstanceOf(Object)
      expect(headers['x-fairlead-error'] !== undefined).toBe(status !== 200)
    }
  })

  test('is not for pages of other origins to embed or read', async () => {
    const wire = await Wire.start()
    const application = await wire.connectAdmin().write(get('localhost', 'Origin: http://evil.com\r\n'))
    const [answer] = await application.answered(1)
    expect(answer?.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    })
    expect(answer?.headers).not.toHaveProperty('access-control-allow-origin')
  })
})

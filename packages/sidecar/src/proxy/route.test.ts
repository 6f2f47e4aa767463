import { describe, expect, test } from 'vitest'
import { OwnHosts } from '../inbound/own-hosts.js'
import { route, type NoRoute, type Route } from './route.js'

const HOSTS = new OwnHosts([])

function routed(target: string, headers: Record<string, string> = {}): Route {
  const found = route({ method: 'GET', url: target, headers }, HOSTS)
  if ('reason' in found) throw new Error(`refused: ${found.reason}`)
  return found
}

function rejection(target: string, headers: Record<string, string> = {}): string {
  return (route({ method: 'GET', url: target, headers }, HOSTS) as NoRoute).reason
}

describe('Host names the service', () => {
  test.each([
    ['orders', 'orders'],
    ['orders:80', 'orders'],
    ['orders:4140', 'orders'],
    // RFC 9110, 7.2: the port of a Host header may be empty.
    ['orders:', 'orders'],
    ['Orders', 'orders'],
    ['ORDERS:80', 'orders'],
    ['orders.service.consul', 'orders'],
    ['orders.service.consul:8080', 'orders'],
    ['Orders.Service.Consul', 'orders'],
    // The dot of the root, as resolvers and search domains have it.
    ['orders.service.consul.', 'orders'],
    ['Orders.service.consul.:8080', 'orders'],
    ['orders.', 'orders'],
    ['orders-v2', 'orders-v2'],
    ['orders_v2', 'orders_v2'],
    ['orders.eu', 'orders.eu'],
    ['orders.eu.service.consul', 'orders.eu'],
    ['service.consul', 'service.consul'],
    ['localhost.service.consul', 'localhost'],
    ['orders.local', 'orders.local'],
    ['1orders', '1orders'],
  ])('%s → %s', (host, service) => {
    expect(routed('/', { host }).service).toBe(service)
  })

  test('the instance gets Host and target as they came', () => {
    expect(routed('/v1//orders/../42?q=%00&r=a+b', { host: 'Orders.service.consul:80' })).toEqual({
      service: 'orders',
      path: '/v1//orders/../42?q=%00&r=a+b',
      host: 'Orders.service.consul:80',
    })
  })

  test.each([
    '',
    'localhost',
    'LOCALHOST:4140',
    'localhost.:4140',
    '.',
    '127.0.0.1',
    '127.0.0.1.',
    '127.0.0.1:4140',
    '[::1]',
    '[::1]:4140',
    ':4140',
  ])('not with %j: it says what to write instead', (host) => {
    const said = rejection('/', { host })
    expect(said).toContain(`its Host is ${JSON.stringify(host)}`)
    expect(said).toContain('"Host: orders"')
    expect(said).toContain('"fairlead-service: orders"')
  })

  test('a missing Host is an empty one', () => {
    expect(rejection('/')).toContain('its Host is ""')
  })

  test.each(['orders.service.eu-1.consul', 'orders.service.DC1.consul:80', 'orders.service.dc1.consul.'])(
    'a datacenter is refused, not dropped: %s',
    (host) => {
      expect(rejection('/', { host })).toContain(
        'a datacenter cannot be chosen by name, only <service>.service.consul',
      )
    },
  )

  test('what is quoted back is cut short', () => {
    expect(rejection('/', { host: `[${'a'.repeat(5000)}]` }).length).toBeLessThan(300)
  })
})

describe('the header fairlead-service', () => {
  test('wins over Host, and is what the instance gets as Host', () => {
    expect(routed('/x', { host: 'payments', 'fairlead-service': 'orders' })).toEqual({
      service: 'orders',
      path: '/x',
      host: 'orders',
    })
  })

  test('makes good for a Host that names none', () => {
    expect(routed('/', { host: '127.0.0.1:4140', 'fairlead-service': 'orders' }).service).toBe('orders')
  })

  test('takes no notice of case, as Host does not', () => {
    expect(routed('/', { host: 'x', 'fairlead-service': 'Orders' }).service).toBe('orders')
  })

  test('is rejected under a name that a web page may have', () => {
    const headers = { host: 'evil.com:4140', 'fairlead-service': 'orders' }
    expect(route({ method: 'GET', url: '/', headers }, HOSTS)).toMatchObject({
      misdirected: true,
      reason: expect.stringContaining('"evil.com:4140", which this sidecar does not accept') as string,
    })
  })

  test('may name the service that Host names, whatever that is', () => {
    const headers = { host: 'Orders.eu:80', 'fairlead-service': 'orders.EU' }
    expect(routed('/', headers)).toMatchObject({ service: 'orders.eu' })
  })

  test('names nothing when empty', () => {
    expect(routed('/', { host: 'orders', 'fairlead-service': '' }).service).toBe('orders')
  })
})

describe('an absolute target (a proxy request)', () => {
  test.each([
    ['http://orders/v1/orders/42', 'orders', '/v1/orders/42', 'orders'],
    ['http://orders', 'orders', '/', 'orders'],
    ['http://orders?q=1', 'orders', '/?q=1', 'orders'],
    ['http://orders:80/', 'orders', '/', 'orders:80'],
    ['http://orders:8080/x', 'orders', '/x', 'orders:8080'],
    ['HTTP://Orders.service.consul/x?q=1', 'orders', '/x?q=1', 'Orders.service.consul'],
    ['http://user:secret@orders/x', 'orders', '/x', 'orders'],
    ['http://orders//x', 'orders', '//x', 'orders'],
    // The path is the application's: dots, quotes and escapes are not ours to tidy up.
    ['http://orders/a/../b/%2e%2e/c?q="a|b"', 'orders', '/a/../b/%2e%2e/c?q="a|b"', 'orders'],
    ['http://orders/caf\u00c3\u00a9', 'orders', '/caf\u00c3\u00a9', 'orders'],
  ])('%s', (target, service, path, host) => {
    expect(routed(target, { host: 'elsewhere' })).toEqual({ service, path, host })
  })

  test.each(['http://orders', 'http://orders:80', 'HTTP://orders.service.consul.'])(
    'OPTIONS %s asks about the whole server, not about /',
    (url) => {
      const asked = { method: 'OPTIONS', headers: { host: 'orders' } }
      const { reason: said } = route({ ...asked, url }, HOSTS) as NoRoute
      expect(said).toContain(`OPTIONS "${url}" asks about the server as a whole: name a path`)
      expect(route({ ...asked, url: `${url}/` }, HOSTS)).toMatchObject({ service: 'orders', path: '/' })
      expect(route({ ...asked, url: `${url}?q` }, HOSTS)).toMatchObject({ service: 'orders', path: '/?q' })
    },
  )

  test('wins over Host', () => {
    expect(routed('http://orders/', { host: 'payments' }).service).toBe('orders')
  })

  test.each(['http://other/x', 'http://127.0.0.1:4140/x', 'http://localhost/x', 'http://Orders.eu/x'])(
    'fairlead-service decides beside %s, as it does beside that in Host',
    (target) => {
      const service = target.includes('eu') ? 'orders.eu' : 'orders'
      const sent = { host: 'payments', 'fairlead-service': service }
      expect(routed(target, sent)).toEqual({ service, path: '/x', host: service })
      const [host = ''] = /(?<=\/\/)[^/]*/.exec(target) ?? []
      expect(routed(target, sent)).toEqual(routed('/x', { ...sent, host }))
    },
  )

  test('fairlead-service is rejected beside a target of a web page, whatever Host says', () => {
    const headers = { host: 'localhost', 'fairlead-service': 'orders' }
    expect(route({ method: 'GET', url: 'http://evil.com/', headers }, HOSTS)).toEqual({
      misdirected: true,
      reason: expect.stringMatching(
        /^the host of its target is "evil\.com", which this sidecar does not accept beside .* send "http:\/\/localhost\/"/,
      ) as string,
    })
  })

  test.each(['127.0.0.1:4140', '[::1]:4140', 'localhost', ''])(
    'http://%s/x names no service, and it is not Host that is blamed',
    (host) => {
      expect(rejection(`http://${host}/x`, { host: 'orders' })).toBe(
        `the host of its target is "${host}": name the service there, such as "http://orders/", or in "fairlead-service: orders"`,
      )
    },
  )

  test.each(['/x#f', '/#', 'http://orders/x#f', 'http://orders#f', 'http://orders#@payments/', '#f'])(
    '%s has a fragment',
    (target) => {
      expect(rejection(target, { host: 'orders', 'fairlead-service': 'orders' })).toBe(
        `its target is "${target}": a target must not have a fragment ("#")`,
      )
    },
  )

  test.each([
    'https://orders/',
    'ftp://orders/',
    '*',
    'orders',
    'orders:443',
    '',
    '\\orders',
    'http:/orders',
    'http://',
    'http:///x',
  ])('%j is refused', (target) => {
    expect(rejection(target, { host: 'orders' })).toMatch(
      /its target is .*: it must be a path or an http:\/\/ URL|the host of its target is ""/,
    )
  })
})

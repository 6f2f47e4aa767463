import { describe, expect, test } from 'vitest'
import { registeredAddress, registeredOrigin, type AddressChoice } from './address.js'

type Choice = 'lan' | 'wan' | 'lan4' | 'lan6' | 'wan4' | 'wan6'

function choiceOf(choice: Choice): AddressChoice {
  const family = Number(choice.slice(3))
  return {
    network: choice.startsWith('wan') ? 'wan' : 'lan',
    ipFamily: family === 4 || family === 6 ? family : undefined,
  }
}

const at = (host: string, port: unknown = 80): object => ({ host, port })
const tag = (Address: string, Port?: number): object => ({ Address, ...(Port === undefined ? {} : { Port }) })

// As Consul 1.8.7 lists a service with an address: it fills the tags of the family in, for WAN as well.
const filled = {
  Address: '10.1.1.1',
  Port: 80,
  TaggedAddresses: { lan_ipv4: tag('10.1.1.1', 80), wan_ipv4: tag('10.1.1.1', 80) },
}
const withWan = { ...filled, TaggedAddresses: { ...filled.TaggedAddresses, wan: tag('198.51.100.1', 8443) } }
const bare = { Address: '', Port: 80 }
const node = {
  Address: '10.0.0.1',
  TaggedAddresses: {
    lan: '10.0.0.1',
    lan_ipv4: '10.0.0.1',
    wan: '198.51.100.9',
    wan_ipv4: '198.51.100.9',
    lan_ipv6: 'fd00::9',
  },
}
const dual = {
  Address: '10.1.1.1',
  Port: 80,
  TaggedAddresses: {
    lan_ipv4: tag('10.1.1.4', 84),
    lan_ipv6: tag('fd00::6', 86),
    wan: tag('198.51.100.1', 8443),
    wan_ipv4: tag('198.51.100.4', 8444),
    wan_ipv6: tag('2001:db8::6', 8446),
  },
}

describe('the address that is taken', () => {
  test.each<[string, object, Choice, boolean, object | string]>([
    ["the service's own", filled, 'lan', false, at('10.1.1.1')],
    ["its node's where it has none", bare, 'lan', false, at('10.0.0.1')],
    ['wan', withWan, 'wan', false, at('198.51.100.1', 8443)],
    ['wan where there is none: the own one', filled, 'wan', false, at('10.1.1.1')],
    ["wan where there is none and no own one: the node's", bare, 'wan', false, at('198.51.100.9')],
    [
      'wan, translated by the agent',
      { ...withWan, Address: '198.51.100.1', Port: 8443 },
      'wan',
      true,
      at('198.51.100.1', 8443),
    ],
    ['wan of the node, translated by the agent', bare, 'wan', true, at('10.0.0.1')],
    ['lan of a family', dual, 'lan4', false, at('10.1.1.4', 84)],
    ['lan of the other family', dual, 'lan6', false, at('fd00::6', 86)],
    ['lan of a family of the node', bare, 'lan6', false, at('fd00::9')],
    ['a family by the address itself', { Address: 'fd00::1', Port: 80 }, 'lan6', false, at('fd00::1')],
    [
      'a host name may be of either',
      { Address: 'orders.internal', Port: 80 },
      'lan6',
      false,
      at('orders.internal'),
    ],
    ['wan of a family, as given', dual, 'wan4', false, at('198.51.100.1', 8443)],
    ['wan of the other family', dual, 'wan6', false, at('2001:db8::6', 8446)],
    ['wan before what Consul fills in', withWan, 'wan4', false, at('198.51.100.1', 8443)],
    [
      'wan of a family without a wan',
      { ...dual, TaggedAddresses: { wan_ipv4: tag('198.51.100.4', 8444) } },
      'wan4',
      false,
      at('198.51.100.4', 8444),
    ],
    [
      'wan of a family where only lan has it',
      { ...filled, TaggedAddresses: { lan_ipv6: tag('fd00::6', 86) } },
      'wan6',
      false,
      at('fd00::6', 86),
    ],
    [
      'wan of a family, translated',
      { ...withWan, Address: '198.51.100.1', Port: 8443 },
      'wan4',
      true,
      at('198.51.100.1', 8443),
    ],
    [
      'wan of the other family, translated',
      { ...dual, Address: '198.51.100.1' },
      'wan6',
      true,
      at('2001:db8::6', 8446),
    ],
    [
      'a tag without a port',
      { ...filled, TaggedAddresses: { wan: tag('198.51.100.1') } },
      'wan',
      false,
      at('198.51.100.1'),
    ],
    [
      'a tag with port 0',
      { ...filled, TaggedAddresses: { wan: tag('198.51.100.1', 0) } },
      'wan',
      false,
      at('198.51.100.1'),
    ],
    [
      'a tag in lower case',
      { ...filled, TaggedAddresses: { wan: { address: '198.51.100.1', port: 8443 } } },
      'wan',
      false,
      at('198.51.100.1', 8443),
    ],
    ['tags that are null', { ...filled, TaggedAddresses: null }, 'wan', false, at('10.1.1.1')],
    ['a family that is not there', filled, 'lan6', false, 'has address "10.1.1.1" and none of IPv6'],
    [
      'a family that is not there, the other way',
      { Address: 'fd00::1', Port: 80 },
      'lan4',
      false,
      'has address "fd00::1" and none of IPv4',
    ],
  ])('%s', (_, service, choice, translated, expected) => {
    expect(registeredAddress(service as Record<string, unknown>, node, choiceOf(choice), translated)).toEqual(
      expected,
    )
  })

  test('none at all', () => {
    expect(registeredAddress(bare, {}, choiceOf('lan'), false)).toBe('has no address')
    expect(registeredAddress(bare, { TaggedAddresses: null }, choiceOf('wan6'), true)).toBe('has no address')
  })
})

describe('an origin', () => {
  test.each<[string, string | undefined]>([
    ['10.0.0.1', 'http://10.0.0.1:80'],
    ['orders-1.internal', 'http://orders-1.internal:80'],
    ['fd00::1', 'http://[fd00::1]:80'],
    ['::ffff:10.0.0.1', 'http://[::ffff:10.0.0.1]:80'],
    ['fe80::1%eth0', undefined],
    ['', undefined],
    ['a b', undefined],
    ['a/b', undefined],
    ['a?b', undefined],
    ['a#b', undefined],
    ['user@host', undefined],
    ['host:90', undefined],
    ['10.0.0.256', undefined],
    ['a\nb', undefined],
  ])('of %j', (host, origin) => {
    expect(registeredOrigin('http', host, 80)).toBe(origin)
  })

  test('of TLS', () => {
    expect(registeredOrigin('https', '10.0.0.1', 8443)).toBe('https://10.0.0.1:8443')
  })
})

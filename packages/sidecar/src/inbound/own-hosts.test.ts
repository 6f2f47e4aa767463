import { describe, expect, test } from 'vitest'
import { OwnHosts } from './own-hosts.js'

const hosts = new OwnHosts(['Proxy.example.com', '.tests.example', 'payments.v1'])

describe('ours', () => {
  test.each([
    '',
    ':4140',
    'localhost',
    'LOCALHOST:4140',
    'localhost.',
    'localhost.:80',
    'orders.localhost:4140',
    '127.0.0.1',
    '127.0.0.1:4140',
    '10.1.2.3:4191',
    '[::1]',
    '[::1]:4140',
    '[fe80::1]:1',
    'orders',
    'orders:80',
    'build-7:4191',
    'orders.service.consul',
    'node-1.node.dc1.consul:4191',
    'host.docker.internal:4191',
    'proxy.example.com',
    'PROXY.EXAMPLE.COM.:80',
    'tests.example',
    'a.b.tests.example:1',
    'payments.v1',
  ])('%j', (host) => {
    expect(hosts.includes(host)).toBe(true)
  })
})

describe('a stranger may hold', () => {
  test.each([
    'evil.com',
    'evil.com:4140',
    'evil.com.',
    'localhost.evil.com',
    'evil-localhost.com',
    '127.0.0.1.evil.com',
    '127.0.0.1.nip.io:4140',
    'a.proxy.example.com',
    'xtests.example',
    'service.consul.evil.com',
    'fooconsul.com',
    '1.2.3',
    '127.0.0.256',
    '[evil.com]',
    '[::1].evil.com',
    '[]',
    'localhost@evil.com',
    'evil.com:80:80',
    'evil.com\n',
  ])('%j', (host) => {
    expect(hosts.includes(host)).toBe(false)
  })
})

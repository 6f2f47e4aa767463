import { describe, expect, test } from 'vitest'
import { parseAddress, type GivenAddress } from './agent-address.js'

const given = (text: string, rest: Partial<GivenAddress> = {}): GivenAddress => ({
  name: 'CONSUL_HTTP_ADDR',
  text,
  scheme: 'http',
  secured: false,
  tls: false,
  ...rest,
})

describe('an address', () => {
  test.each([
    ['127.0.0.1:8500', 'http://127.0.0.1:8500', ''],
    [' 127.0.0.1:8500\n', 'http://127.0.0.1:8500', ''],
    ['localhost:8500', 'http://localhost:8500', ''],
    ['[::1]:8500', 'http://[::1]:8500', ''],
    ['consul-1.internal:8500/', 'http://consul-1.internal:8500', ''],
    ['proxy:80/consul', 'http://proxy', '/consul'],
    ['http://consul', 'http://consul', ''],
    ['HTTPS://Consul:8501', 'https://consul:8501', ''],
    ['https://proxy/consul/', 'https://proxy', '/consul'],
    ['unix:///run/consul.sock', 'unix:///run/consul.sock', ''],
  ])('%j', (text, address, pathPrefix) => {
    expect(parseAddress(given(text))).toEqual({ address, pathPrefix })
  })
})

describe('a slip is an error that says what was meant', () => {
  test.each([
    ['8500', '127.0.0.1:8500'],
    [':8500', '127.0.0.1:8500'],
    ['http://8500', '127.0.0.1:8500'],
    ['localhost', 'localhost:8500'],
    ['localhost:', 'localhost:8500'],
    ['127.0.0.1', '127.0.0.1:8500'],
    ['[::1]', '[::1]:8500'],
    ['http//host:8500', 'http://host:8500'],
    ['http:/host:8500', 'http://host:8500'],
    ['http:host:8500', 'http://host:8500'],
    ['https//host:8501/consul', 'https://host:8501/consul'],
    ['tcp://127.0.0.1:8500', 'http://127.0.0.1:8500'],
    ['/run/consul.sock', 'unix:///run/consul.sock'],
    ['unix:/run/consul.sock', 'unix:///run/consul.sock'],
    ['unix://run/consul.sock', 'unix:///run/consul.sock'],
    ['localhost:8500/v1', 'localhost:8500'],
    ['http://localhost:8500/v1/', 'http://localhost:8500'],
  ])('%j', (text, meant) => {
    expect(() => parseAddress(given(text))).toThrow(
      `CONSUL_HTTP_ADDR is '${text}': it must be http://host:port, https://host:port, host:port or unix:///path; did you mean ${meant}?`,
    )
    expect(parseAddress(given(meant)).address).toContain('://')
  })

  test.each(['', 'ftp://x', 'local host:8500', 'a/b', 'http://a/b?c', 'host:port', 'http://', 'host:85000'])(
    'and where that cannot be told, what it must be: %j',
    (text) => {
      expect(() => parseAddress(given(text))).toThrow(
        /it must be http:[^;]*unix:\/\/\/path(?:; a path may follow the port, "\?" and "#" may not)?$/,
      )
    },
  )
})

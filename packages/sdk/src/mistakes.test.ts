import { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import * as sdk from './index.js'
import { instanceAt } from './testing/fake-resolver.js'

// Mistakes of a first hour. Each has its error at once, and the error says what to write instead.

const silent: sdk.Logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
const { compose, slowStart, maglev } = sdk
const unchecked = compose as (...parts: unknown[]) => sdk.Balancer

describe('compose', () => {
  test.for<[string, unknown[], RegExp]>([
    ['nothing', [], /^compose is 'nothing': it must be layers and a policy at the end, such as 'peak_ewma'$/],
    [
      'a layer that was not called',
      [slowStart, 'peak_ewma'],
      /^part 1 of compose is \[Function: slowStart\]: it must be a layer, such as slowStart\(\); slowStart is called to get one$/,
    ],
    [
      'a second layer that was not called',
      [slowStart(), sdk.locality, 'peak_ewma'],
      /^part 2 of compose is \[Function: locality\]: it must be a layer/,
    ],
    ['a policy in the place of a layer', ['maglev', slowStart()], /^the policy of compose is \[Function/],
    ['two policies', [maglev(), 'peak_ewma'], /^part 1 of compose is \[Function/],
    [
      'a name in the place of a layer',
      ['slowStart', 'maglev'],
      /^part 1 of compose is 'slowStart': it must be a layer/,
    ],
    [
      'a policy that was not called',
      [slowStart(), maglev],
      /^the policy of compose is \[Function: maglev\].*maglev\(\)/,
    ],
    ['an unknown name', [slowStart(), 'peakEwma'], /did you mean peak_ewma\?/],
    ['undefined', [slowStart(), undefined], /^the policy of compose is undefined: it must be one of/],
  ])('of %s', ([, parts, message]) => {
    expect(() => unchecked(...parts)).toThrow(message)
    expect(() => unchecked(...parts)).toThrow(sdk.FairleadError)
  })

  test('of what is right', () => {
    expect(compose('maglev')).toBeTypeOf('function')
    expect(compose(slowStart(), sdk.locality({ zone: 'a' }), sdk.balancers.peak_ewma)).toBeTypeOf('function')
    expect(() => sdk.validateOptions({ balancer: compose(slowStart(), maglev()) })).not.toThrow()
  })
})

describe('options of policies and layers', () => {
  const factories = {
    ...{ slowStart, subset: sdk.subset, locality: sdk.locality, reportedWeights: sdk.reportedWeights },
    ...{ ringHash: sdk.ringHash, maglev, rendezvous: sdk.rendezvous, prequal: sdk.prequal },
    weightedLeastRequest: sdk.weightedLeastRequest,
  } as unknown as Record<string, (options: unknown) => unknown>

  test.for(Object.entries(factories))('%s', ([name, factory]) => {
    expect(() => factory({ bogus: 1 })).toThrow(
      `${name}: unknown option bogus: remove it or check its spelling`,
    )
    for (const options of [null, 5, 'eu-1', []]) {
      expect(() => factory(options)).toThrow(
        new RegExp(`^options of ${name} is .*: it must be an object of options$`),
      )
    }
  })

  test('a near name is told', () => {
    expect(() => slowStart({ window: 5 } as sdk.SlowStartOptions)).toThrow('(did you mean windowMs?)')
    expect(() => maglev({ tablesize: 5 } as sdk.MaglevOptions)).toThrow('(did you mean tableSize?)')
  })
})

describe('a client', () => {
  const orders = sdk.createClient('orders', {
    resolver: sdk.fixedResolver([instanceAt('http://127.0.0.1:1')]),
    logger: silent,
  })
  const request = orders.request.bind(orders) as (options?: unknown) => Promise<unknown>

  test.for<[unknown, RegExp]>([
    [
      undefined,
      /^options of request is undefined: it must be an object such as \{ path: '\/v1\/orders\/42' \}$/,
    ],
    ['/v1/orders', /^options of request is '\/v1\/orders': it must be an object such as/],
    [{}, /^path of request is undefined: it must be a path that begins with "\/"/],
    [
      { path: 'v1/orders' },
      /^path of request is 'v1\/orders': it must be a path that begins with "\/", such as/,
    ],
    [{ path: '' }, /^path of request is '': it must be a path that begins with "\/"/],
    [{ path: '?id=42' }, /^path of request is '\?id=42': it must be a path that begins with "\/"/],
    [{ path: '/', timeout: 5 }, /^request: unknown option timeout: .* \(here it is timeoutMs\)$/],
    [{ path: '/', timeoutMS: 5 }, /\(did you mean timeoutMs\?\)$/],
    [{ path: '/', json: {} }, /^request: unknown option json: .*JSON\.stringify\(value\)/],
    [{ url: '/' }, /^request: unknown option url: .* \(here it is path\)$/],
    [{ path: '/', header: {} }, /\(did you mean headers\?\)$/],
    [{ path: '/', toString: 1 }, /^request: unknown option toString: remove it or check its spelling$/],
    [
      { path: '/', query: 'a=b' },
      /^query of request is 'a=b': it must be an object such as \{ page: 2 \}, or a part of path/,
    ],
    [
      { path: '/', query: new URLSearchParams('a=b') },
      /^query of request is a URLSearchParams: it must be .*Object\.fromEntries\(params\)/,
    ],
    [
      { path: '/', query: new Map([['a', 1]]) },
      /^query of request is a Map: .*Object\.fromEntries\(params\)/,
    ],
    [
      { path: '/', query: [['a', 1]] },
      /^query of request is \[.*: it must be an object such as \{ page: 2 \}$/,
    ],
    [{ path: '/', query: 5 }, /^query of request is 5: it must be an object such as/],
    [{ path: '/', query: { a: { b: 1 } } }, /^query\.a of request is \{ b: 1 \}: it must be text, a number/],
    [
      { path: '/', query: { a: [1, new Date(0)] } },
      /^query\.a of request is 1970.*: it must be text, a number/,
    ],
    [{ path: '/', query: { a: Symbol('b') } }, /^query\.a of request is Symbol\(b\): it must be text/],
    [
      { path: '/', headers: [['authorization', 'secret']] },
      /^headers of request is an array of pairs: (?!.*secret).*Object\.fromEntries\(pairs\)/,
    ],
    [{ path: '/', headers: [5, 'a'] }, /^headers of request is an array in which a name is no text: it must/],
    [
      { path: '/', headers: { async *[Symbol.asyncIterator]() {} } },
      /^headers of request is an async iterable: it must be an object such as/,
    ],
    [{ path: '/', caller: '10.0.0.7' }, /^caller is '10\.0\.0\.7': .*\{ address: '10\.0\.0\.7' \}$/],
    [
      { path: '/', caller: { sourceIp: 5 } },
      /^caller is \{ sourceIp: 5 \}: it must be an object with the address/,
    ],
    [{ path: '/', caller: null }, /^caller is null: it must be an object with the address/],
    [{ path: '/', caller: { address: 5 } }, /^caller\.address is 5: it must be text/],
    [{ path: '/', caller: new Socket() }, /^caller\.address is \[Function.*\]: it must be text/],
    ...[
      ...['http://evil/x', 'https://orders/x', 'http://orders:81/x', 'http://orders@evil/x', 'http://evil'],
      ...['http://u@orders/x', 'http://orders.evil/x', 'http://evil\\@orders/x', 'HTTP://EVIL/x'],
    ].map((path): [unknown, RegExp] => [
      { path },
      /^path of request is '.*': it must be a path that begins with "\/", or a URL of http:\/\/orders: a client of orders/,
    ]),
  ])('request(%j) is refused', async ([options, message]) => {
    const error = await request(options).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(sdk.FairleadError)
    expect(error).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(message) as unknown,
    })
    expect(orders.inspect().endpoints[0]).toMatchObject({ requests: 0 })
  })

  test('request() of options that throw when they are read rejects, and names the option', async () => {
    const failing = {
      path: '/',
      get method(): never {
        throw new Error('no method')
      },
    }
    await expect(request(failing)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: 'method cannot be read: no method',
      cause: { message: 'no method' },
    })
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    await expect(request(proxy)).rejects.toThrow(/^options of request cannot be read: /)
    await expect(request({ path: '/', query: proxy })).rejects.toThrow(/^query cannot be read: /)
    await expect(request({ path: '/', headers: proxy })).rejects.toThrow(/^headers cannot be read: /)
    expect(() => orders.explain(failing as object)).toThrow(/^method cannot be read: no method$/)
  })

  test.for<[object, RegExp]>([
    [{ hashKey: 5 }, /^hashKey is 5: it must be text$/],
    [{ path: 5 }, /^path of request is 5: it must be a path/],
    [{ path: 'http://evil/x' }, /^path of request is 'http:\/\/evil\/x': /],
    [{ headers: 5 }, /^headers must be an object or an array$/],
    [{ headers: [['a', 'b']] }, /^headers of request is an array of pairs/],
    [{ headers: { 'a b': 'c' } }, /^invalid header key$/],
    [{ method: 'G T' }, /^invalid request method$/],
    [{ idempotent: 'x' }, /^idempotent is 'x': it must be true or false$/],
    [{ query: 5 }, /^query of request is 5: /],
    [{ query: { a: '\ud83d' } }, /^URI malformed$/],
    [{ caller: 5 }, /^caller is 5: /],
    [new Map(), /^options of explain is Map\(0\) \{\}: it must be an object of options$/],
  ])('explain(%j) is refused as request() refuses it', async ([options, message]) => {
    expect(() => orders.explain(options)).toThrow(message)
    if (options instanceof Map) return
    await expect(request({ path: '/', ...options })).rejects.toThrow(message)
  })

  test.for<[string, () => unknown, RegExp]>([
    ['ready', () => orders.ready({ timeout: 5 } as sdk.ReadyOptions), /did you mean timeoutMs/],
    [
      'ready',
      () => orders.ready({ timeoutMs: NaN }),
      /^timeoutMs is NaN: it must be milliseconds above 0, or Infinity$/,
    ],
    ['ready', () => orders.ready({ minInstances: -1 }), /^minInstances is -1: it must be a whole number/],
    [
      'explain',
      () => orders.explain({ pth: '/' } as sdk.ExplainOptions),
      /^explain: unknown option pth: .*did you mean path/,
    ],
    [
      'onDiscovery',
      () => orders.onDiscovery('x' as never),
      /^listener of onDiscovery is 'x': it must be a function$/,
    ],
  ])('%s', async ([, call, message]) => {
    const error = await Promise.resolve()
      .then(call)
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(message) as unknown,
    })
  })
})

import { Socket } from 'node:net'
import { errors, type buildConnector } from 'undici'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../testing/index.js'
import { withConnectBackoff } from './connect-backoff.js'
import type { AbortConnect, Connector } from './connector.js'

const TARGET: buildConnector.Options = { hostname: 'orders.test', protocol: 'http:', port: '' }

/** An instance, connections to which come to what the test says. */
class Instance {
  readonly clock: ManualClock = new ManualClock()
  /** Callbacks of the connections that were asked for and not answered by {@link end}. */
  readonly asked: buildConnector.Callback[] = []
  readonly cancelled: Error[] = []
  readonly connect: Connector

  constructor() {
    const connector: Connector = (_, callback) => {
      this.asked.push(callback)
      return (reason) => this.cancelled.push(reason)
    }
    // Without jitter: all of the pause.
    this.connect = withConnectBackoff(() => connector, this.clock, { next: () => 1, bits: () => 0 })({
      origin: 'http://orders.test',
    })
  }

  /** One more wants a connection; what it has got. */
  want(): Wanted {
    const wanted: Wanted = { results: [], abort: () => undefined }
    wanted.abort = this.connect(TARGET, (...result) => wanted.results.push(result[0] ?? 'connected'))
    return wanted
  }

  /** The longest asked for comes to this. */
  end(result: Error | 'connected'): void {
    const callback = this.asked.shift()
    if (callback === undefined) throw new Error('no connection was asked for')
    if (result === 'connected') callback(null, new Socket())
    else callback(result, null)
  }

  /** A try that comes to this. */
  try(result: Error | 'connected'): void {
    this.want()
    this.end(result)
  }
}

interface Wanted {
  readonly results: (Error | 'connected')[]
  abort: AbortConnect
}

function refused(): Error {
  return Object.assign(new Error('connect ECONNREFUSED'), { syscall: 'connect', code: 'ECONNREFUSED' })
}

test('after a refusal the next ones get its error at once, and then one of them tries', async () => {
  const instance = new Instance()
  const error = refused()
  instance.try(error)
  expect(instance.want().results).toEqual([error])
  await instance.clock.advance(19)
  expect(instance.want().results).toEqual([error])
  expect(instance.asked).toHaveLength(0)

  await instance.clock.advance(1)
  const one = instance.want()
  expect(instance.want().results).toEqual([error])
  expect(instance.asked).toHaveLength(1)
  instance.end('connected')
  expect(one.results).toEqual(['connected'])
  for (const wanted of [instance.want(), instance.want()]) expect(wanted.results).toEqual([])
  expect(instance.asked).toHaveLength(2)
})

test('the pause doubles with each try that fails, up to 250 ms, and a connection forgets them', async () => {
  const instance = new Instance()
  for (const pauseMs of [20, 40, 80, 160, 250, 250]) {
    instance.try(refused())
    await instance.clock.advance(pauseMs - 1)
    instance.want()
    expect(instance.asked).toHaveLength(0)
    await instance.clock.advance(1)
  }
  instance.try('connected')
  instance.try(refused())
  await instance.clock.advance(20)
  instance.try('connected')
})

test('those that were under way together count once', async () => {
  const instance = new Instance()
  for (let each = 0; each < 5; each++) instance.want()
  for (let each = 0; each < 5; each++) instance.end(refused())
  await instance.clock.advance(20)
  instance.try('connected')
})

test('one of them that succeeds ends the pause', () => {
  const instance = new Instance()
  instance.want()
  instance.want()
  instance.end(refused())
  instance.end('connected')
  instance.try('connected')
})

test('each gets its own error, unless it was not tried', () => {
  const instance = new Instance()
  const [first, second] = [refused(), refused()]
  const wanted = [instance.want(), instance.want()]
  instance.end(first)
  instance.end(second)
  expect(wanted.map(({ results }) => results)).toEqual([[first], [second]])
})

describe('what counts', () => {
  test.each([
    ['a name that is not known', Object.assign(new Error('ENOTFOUND'), { syscall: 'getaddrinfo' })],
    ['several addresses that all refuse', new AggregateError([refused(), refused()])],
    ['no connection in time', new errors.ConnectTimeoutError()],
  ])('%s', (_, error) => {
    const instance = new Instance()
    instance.try(error)
    expect(instance.want().results).toEqual([error])
  })

  test('a certificate for another name does not: only this request may have asked for that', () => {
    const instance = new Instance()
    instance.try(Object.assign(new Error('altname'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }))
    instance.want()
    expect(instance.asked).toHaveLength(1)
  })

  test('a limit that ends it does, of whoever sets it; and its connector is told', () => {
    const instance = new Instance()
    const late = new errors.ConnectTimeoutError()
    instance.want().abort(late)
    expect(instance.cancelled).toEqual([late])
    expect(instance.want().results).toEqual([late])
  })

  test('a try that nobody wants any more says nothing, and the next one is tried', async () => {
    const instance = new Instance()
    instance.try(refused())
    await instance.clock.advance(20)
    const wanted = instance.want()
    wanted.abort(new Error('no longer wanted'))
    // A connector may call back all the same.
    instance.end(refused())
    instance.want()
    expect(instance.asked).toHaveLength(1)
  })
})

import { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import { expect, test } from 'vitest'
import { ManualClock } from '../testing/index.js'
import { connectInTime } from './connect-in-time.js'
import type { AbortConnect, Connector } from './connector.js'

const LIMIT_MS = 100

/** An attempt to connect, and what has come of it. */
class Connecting {
  readonly clock: ManualClock = new ManualClock()
  readonly results: Parameters<buildConnector.Callback>[] = []
  readonly given: Error[] = []
  readonly abort: AbortConnect
  /** The connector calls back. */
  callBack!: buildConnector.Callback

  constructor(during: (callback: buildConnector.Callback) => void = () => undefined) {
    const connect: Connector = (_target, callback) => {
      this.callBack = callback
      during(callback)
      return (reason) => this.given.push(reason)
    }
    const target = { hostname: 'orders.test', protocol: 'http:', port: '' }
    this.abort = connectInTime(connect, LIMIT_MS, this.clock, target, (...result) =>
      this.results.push(result),
    )
  }
}

test('a connector that calls back before it returns has no limit left to run into', async () => {
  const socket = new Socket()
  const connecting = new Connecting((callback) => callback(null, socket))
  expect(connecting.results).toEqual([[null, socket]])
  expect(connecting.clock.pending).toBe(0)
  await connecting.clock.advance(2 * LIMIT_MS)
  expect(connecting.given).toEqual([])
  expect(socket.destroyed).toBe(false)
})

test('one that has something else to do first connects when that is done', async () => {
  const socket = new Socket()
  const connecting = new Connecting()
  await connecting.clock.advance(LIMIT_MS - 1)
  connecting.callBack(null, socket)
  expect(connecting.results).toEqual([[null, socket]])
  await connecting.clock.advance(LIMIT_MS)
  expect(connecting.given).toEqual([])
  expect(socket.destroyed).toBe(false)
})

test('one that is late is given up, once, whatever it calls back with then', async () => {
  const connecting = new Connecting()
  await connecting.clock.advance(LIMIT_MS)
  const late = expect.objectContaining({ code: 'UND_ERR_CONNECT_TIMEOUT' }) as Error
  expect(connecting.given).toEqual([late])
  expect(connecting.results).toEqual([[late, null]])
  const socket = new Socket()
  connecting.callBack(null, socket)
  connecting.callBack(new Error('given up'), null)
  expect(socket.destroyed).toBe(true)
  expect(connecting.results).toHaveLength(1)
  expect(connecting.clock.pending).toBe(0)
})

test('one that fails has its own reason', async () => {
  const connecting = new Connecting()
  const reason = new Error('no certificate')
  connecting.callBack(reason, null)
  await connecting.clock.advance(LIMIT_MS)
  expect(connecting.results).toEqual([[reason, null]])
  expect(connecting.given).toEqual([])
})

test('one that is cancelled has no limit left to run into, and calls back no more', () => {
  const connecting = new Connecting()
  const reason = new Error('over')
  connecting.abort(reason)
  connecting.abort(reason)
  expect([connecting.given, connecting.clock.pending]).toEqual([[reason], 0])
  const socket = new Socket()
  connecting.callBack(null, socket)
  expect([connecting.results, socket.destroyed]).toEqual([[], true])
})

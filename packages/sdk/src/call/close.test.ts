import { describe, expect, test, vi } from 'vitest'
import { createClient } from '../client.js'
import type { Client } from '../client-interface.js'
import { serve } from '../client.test.support.js'
import { fixedResolver } from '../discovery/fixed-resolver.js'
import type { Logger } from '../logger.js'
import { ManualClock } from '../testing/index.js'

function setUp(origin: string): { orders: Client; clock: ManualClock; warnings: [object, string][] } {
  const warnings: [object, string][] = []
  const logger: Logger = {
    info: () => undefined,
    warn: (fields, message) => void warnings.push([fields, message]),
    error: () => undefined,
  }
  const clock = new ManualClock()
  return {
    orders: createClient('orders', { resolver: fixedResolver([origin]), logger, clock }),
    clock,
    warnings,
  }
}

/** Has it settled by now? */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol('open')
  const turned = new Promise((resolve) => setImmediate(() => setImmediate(() => resolve(open))))
  return (await Promise.race([promise, turned])) === open
}

describe('close', () => {
  test('waits for an unread body until its limit, and aborts it then', async () => {
    const { orders, clock, warnings } = setUp(
      await serve((_, response) => void response.end('x'.repeat(1_000_000))),
    )
    const { body } = await orders.request({ path: '/' })
    const failed = new Promise<Error>((resolve) => body.once('error', resolve))
    const closed = orders.close({ timeoutMs: 1000 })
    await clock.advance(999)
    expect(await isPending(closed)).toBe(true)
    await clock.advance(1)
    await closed
    expect(await failed).toMatchObject({
      code: 'CLIENT_CLOSED',
      message:
        'the client of orders is closed, and this request had not finished 1000 ms later (timeoutMs of close)',
    })
    expect(warnings).toEqual([
      [
        { service: 'orders', requests: 1, timeoutMs: 1000 },
        'close() has reached its time limit; aborting the requests in flight',
      ],
    ])
  })

  test.each([
    ['by default for 25 s', undefined, 25_000],
    ['not at all, when told so', { timeoutMs: 0 }, 0],
  ])('waits %s', async (_name, options, limit) => {
    const { orders, clock } = setUp(await serve(() => undefined))
    const asked = orders.request({ path: '/', timeoutMs: Infinity }).catch((error: unknown) => error)
    await vi.waitFor(() => expect(orders.inspect().endpoints[0]?.inflight).toBe(1))
    const closed = orders.close(options)
    if (limit > 0) {
      await clock.advance(limit - 1)
      expect(await isPending(closed)).toBe(true)
    }
    await clock.advance(Math.min(1, limit))
    await closed
    expect(await asked).toMatchObject({ code: 'CLIENT_CLOSED' })
  })

  test('waits as long as it takes, when told so', async () => {
    let finish: (() => void) | undefined
    const { orders, clock, warnings } = setUp(
      await serve((_, response) => (finish = () => response.end('late'))),
    )
    const asked = orders.request({ path: '/', timeoutMs: Infinity })
    await vi.waitFor(() => expect(finish).toBeDefined())
    const closed = orders.close({ timeoutMs: Infinity })
    await clock.advance(3_600_000)
    expect(await isPending(closed)).toBe(true)
    finish?.()
    expect(await (await asked).body.text()).toBe('late')
    await closed
    expect(warnings).toEqual([])
  })

  test('of what has ended is done at once, however it ended, and leaves no timer', async () => {
    const { orders, clock } = setUp('http://127.0.0.1:1')
    await orders.close()
    await orders.close()
    expect(clock.pending).toBe(0)
    const other = setUp('http://127.0.0.1:1').orders
    await other.dispatcher.destroy()
    await other.close()
    await other[Symbol.asyncDispose]()
  })

  test('a second, shorter limit counts', async () => {
    const { orders, clock } = setUp(await serve(() => undefined))
    const asked = orders.request({ path: '/', timeoutMs: Infinity }).catch((error: unknown) => error)
    await vi.waitFor(() => expect(orders.inspect().endpoints[0]?.inflight).toBe(1))
    const first = orders.close()
    const second = orders.close({ timeoutMs: 10 })
    await clock.advance(10)
    await Promise.all([first, second])
    expect(await asked).toMatchObject({ code: 'CLIENT_CLOSED' })
  })

  test.each([null, 5, { timeout: 100 }])('options that are none are refused: %j', async (options) => {
    const { orders } = setUp(await serve((_, response) => void response.end()))
    await expect(orders.close(options as object)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await orders.close()
  })

  test.each([-1, NaN, '5'])('a limit of %s is refused, and nothing is closed', async (timeoutMs) => {
    const { orders } = setUp(await serve((_, response) => void response.end()))
    await expect(orders.close({ timeoutMs: timeoutMs as number })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
    await (await orders.request({ path: '/' })).body.dump()
    await orders.close()
  })
})

import { createClient as createRpc } from '@connectrpc/connect'
import { createClient, fixedResolver } from '@fairlead/sdk'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { refusing, type Instance } from '#sidecar/testing/rig.test.support.js'
import { transportTo } from './connect-web.js'
import { libraries } from './libraries.js'
import type { Hooked, Library, Stage } from './library.js'
import { OrdersServer, SILENT, UNAVAILABLE } from './orders-server.js'
import { Orders } from './orders-service.js'

// Not to be had from a header or a URL unless it was encoded.
const TEXT = 'Grüße & "more"?'

describe.each(libraries.map((library) => [library.name, library] as const))('%s', (_, library) => {
  test('a GET', async () => {
    const server = await OrdersServer.start()
    const program = await hook(library, [server.instance])
    expect(await program.get(TEXT)).toBe(TEXT)
    expect(server.requests).toEqual([expect.stringMatching(/^GET /)])
  })

  test('a POST', async () => {
    const server = await OrdersServer.start()
    const program = await hook(library, [server.instance])
    expect(await program.post(TEXT)).toBe(TEXT)
    expect(server.requests).toEqual([expect.stringMatching(/^POST /)])
  })

  test('the status of an error is handed on, and nothing is sent again', async () => {
    const server = await OrdersServer.start()
    const program = await hook(library, [server.instance])
    for (const call of [program.get, program.post]) {
      expect(program.statusOf(await errorOf(call(UNAVAILABLE)))).toBe(503)
    }
    expect(server.requests).toHaveLength(2)
  })

  test("an instance that is dead costs no request: the next one has it, a POST's body included", async () => {
    const server = await OrdersServer.start()
    // round_robin: each of the two is asked first every other time.
    const dead = await refusing()
    const program = await hook(library, [dead, server.instance])
    for (let round = 0; round < 4; round++) {
      expect(await program.get(TEXT)).toBe(TEXT)
      expect(await program.post(TEXT)).toBe(TEXT)
    }
    expect(server.requests).toHaveLength(8)
    const { endpoints } = await program.inspect()
    expect(endpoints.find(({ origin }) => origin.endsWith(`:${dead.port}`))?.failures).toBeGreaterThan(0)
  })

  test('what takes longer than timeoutMs has its code', async () => {
    const server = await OrdersServer.start()
    const program = await hook(library, [server.instance], 200)
    for (const call of [program.get, program.post]) {
      expect(program.codeOf(await errorOf(call(SILENT)))).toBe('DEADLINE_EXCEEDED')
    }
    await vi.waitFor(() => expect(server.abandoned).toBe(2), 10_000)
  })

  test('an abort reaches the instance', async () => {
    const server = await OrdersServer.start()
    const program = await hook(library, [server.instance], library.keepsAborts && 1000)
    for (const [index, call] of [program.get, program.post].entries()) {
      const controller = new AbortController()
      const failed = errorOf(call(SILENT, controller.signal))
      await vi.waitFor(() => expect(server.requests).toHaveLength(index + 1), 10_000)
      controller.abort()
      expect(await failed).toBeInstanceOf(Error)
      await vi.waitFor(() => expect(server.abandoned).toBe(index + 1), 10_000)
    }
  })
})

test('connect-web: a response that streams', async () => {
  const server = await OrdersServer.start()
  const { orders } = stage([server.instance])
  const letters: string[] = []
  for await (const { value } of createRpc(Orders, transportTo(orders)).watch({ value: 'abc' }))
    letters.push(value)
  expect(letters).toEqual(['a', 'b', 'c'])
})

function hook(
  library: Library,
  instances: readonly Instance[],
  timeoutMs?: number,
): Hooked | Promise<Hooked> {
  return library.hook(stage(instances, timeoutMs))
}

function stage(instances: readonly Instance[], timeoutMs = 15_000): Stage {
  const resolver = fixedResolver(instances.map(({ port }) => `http://127.0.0.1:${port}`))
  const orders = createClient('orders', { resolver, timeoutMs, balancer: 'round_robin' })
  onTestFinished(() => orders.dispatcher.destroy())
  return { instances, timeoutMs, orders }
}

function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    (value) => expect.unreachable(`it was answered: ${String(value)}`),
    (error: unknown) => error,
  )
}

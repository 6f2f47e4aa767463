import { status as Status } from '@grpc/grpc-js'
import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import type { EndpointInspection } from '../observe/inspect.js'
import { until } from '../test-support/until.test.support.js'
import { ServerProcess } from './server-process.test.support.js'
import { stage, type Stage } from './server.test.support.js'

const CALLERS = 8

async function started(...names: readonly string[]): Promise<readonly ServerProcess[]> {
  return Promise.all(names.map((name) => new ServerProcess(name).start()))
}

function at({ orders }: Stage, server: ServerProcess | undefined): EndpointInspection {
  const found = orders.inspect().endpoints.find(({ origin }) => origin === server?.instance.origin)
  if (found === undefined) throw new Error(`${server?.name ?? 'it'} is not listed`)
  return found
}

/** Calls without a pause, by several callers, until it is ended. */
function load({ stub }: Stage, deadlineMs: number) {
  const seen: Record<string, number> = {}
  const failures: unknown[] = []
  let going = true
  const callers = Array.from({ length: CALLERS }, async () => {
    while (going) {
      try {
        const name = await stub.get('any', { deadline: Date.now() + deadlineMs })
        seen[name] = (seen[name] ?? 0) + 1
      } catch (error) {
        failures.push(error)
      }
    }
  })
  const end = async (): Promise<void> => {
    going = false
    await Promise.all(callers)
  }
  /** Until each of these has answered so many more calls. */
  const answers = (names: readonly string[], more: number): Promise<void> => {
    const before = { ...seen }
    return until(() => names.every((name) => (seen[name] ?? 0) >= (before[name] ?? 0) + more))
  }
  return { seen, failures, answers, end }
}

async function setUp(options: Parameters<typeof stage>[0] = {}) {
  const all = await started('a', 'b', 'c')
  const made = stage({ panicThreshold: 0, ...options })
  made.resolver.snapshot(all.map(({ instance }) => instance))
  await made.orders.ready()
  return { all, made }
}

test('SIGKILL costs what was on its way there, and nothing else; a restart brings it back', async () => {
  const { all, made } = await setUp()
  const traffic = load(made, 10_000)
  await traffic.answers(['a', 'b', 'c'], 20)
  const streams = await Promise.all(
    all.map(async () => {
      const call = made.stub.list('open')
      const ended = once(call, 'error').then(([error]) => error as { code: Status })
      const [name] = (await once(call, 'data')) as [string]
      return { name, call, ended }
    }),
  )
  expect(streams.map(({ name }) => name).sort()).toEqual(['a', 'b', 'c'])
  await all[0]?.kill()
  await until(() => at(made, all[0]).availability.reason === 'connection_failed')
  await traffic.answers(['b', 'c'], 50)
  const [dead] = streams.filter(({ name }) => name === 'a')
  expect((await dead?.ended)?.code).toBe(Status.UNAVAILABLE)
  await until(() => at(made, all[0]).inflight === 0)
  expect(traffic.failures.length).toBeLessThanOrEqual(CALLERS)
  for (const each of [all[1], all[2]]) expect(at(made, each)).toMatchObject({ failures: 0 })

  await all[0]?.start()
  await traffic.answers(['a'], 20)
  await traffic.end()
  for (const { name, call, ended } of streams) {
    call.cancel()
    if (name !== 'a') expect((await ended).code).toBe(Status.CANCELLED)
  }
  await until(() => made.orders.inspect().endpoints.every(({ inflight }) => inflight === 0))
})

test('one that is frozen loses its calls by their deadlines until its circuit opens, and comes back', async () => {
  const { all, made } = await setUp({ breaker: { volumeThreshold: 4, resetMs: 200 } })
  const traffic = load(made, 250)
  await traffic.answers(['a', 'b', 'c'], 20)
  all[0]?.signal('SIGSTOP')
  await until(() => at(made, all[0]).availability.reason === 'circuit_open')
  await traffic.answers(['b', 'c'], 50)
  all[0]?.signal('SIGCONT')
  await traffic.answers(['a'], 20)
  await traffic.end()
  await vi.waitFor(() =>
    expect(made.orders.inspect().endpoints.map(({ inflight }) => inflight)).toEqual([0, 0, 0]),
  )
})

import { connectivityState as State, credentials, Metadata, status as Status } from '@grpc/grpc-js'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { nextTurn } from '../clock.js'
import { until } from '../test-support/until.test.support.js'
import { list, servers, stage, staged, stubOf, type OrdersStub, type Stage } from './server.test.support.js'

function inflight({ orders }: Stage): number {
  return orders.inspect().endpoints.reduce((sum, each) => sum + each.inflight, 0)
}

function ready(stub: OrdersStub): Promise<void> {
  return new Promise((resolve, reject) => {
    stub.waitForReady(Date.now() + 15_000, (error) => (error === undefined ? resolve() : reject(error)))
  })
}

/** A call whose credentials take until they are given. */
function withCredentials(stub: OrdersStub): {
  readonly answer: Promise<string>
  readonly cancel: () => void
  readonly asked: () => boolean
  readonly give: () => void
} {
  let give: (() => void) | undefined
  const slow = credentials.createFromMetadataGenerator((_params, callback) => {
    give = () => callback(null, new Metadata())
  })
  let cancel = (): void => undefined
  const answer = new Promise<string>((resolve, reject) => {
    const call = stub.makeUnaryRequest<string, string>(
      '/orders.v1.Orders/Get',
      (text) => Buffer.from(text),
      (bytes) => bytes.toString(),
      'any',
      new Metadata(),
      { credentials: slow },
      (error, value) => (error === null ? resolve(value ?? '') : reject(error)),
    )
    cancel = () => call.cancel()
  })
  return { answer, cancel: () => cancel(), asked: () => give !== undefined, give: () => give?.() }
}

test('waitForReady connects to an endpoint, before any call', async () => {
  const [a] = await servers('a')
  const made = stage()
  const waiting = ready(made.stub)
  list(made, [a])
  await waiting
  expect(made.stub.getChannel().getConnectivityState(false)).toBe(State.READY)
  expect(made.orders.inspect().endpoints[0]).toMatchObject({ requests: 0 })
})

test('a channel that has been idle is awake with the next call', async () => {
  const [a] = await servers('a')
  // The least that grpc-js takes.
  const made = await staged([a], {}, { 'grpc.client_idle_timeout_ms': 1000 })
  expect(await made.stub.get()).toBe('a')
  await until(() => made.stub.getChannel().getConnectivityState(false) === State.IDLE)
  expect(await made.stub.get()).toBe('a')
})

test('a call that waits for its credentials is no load, and is picked for once more where it is sent', async () => {
  const [a] = await servers('a')
  const made = await staged([a])
  await made.stub.get()
  const call = withCredentials(made.stub)
  await until(call.asked)
  await nextTurn()
  await until(() => inflight(made) === 0)
  call.give()
  expect(await call.answer).toBe('a')
  expect(inflight(made)).toBe(0)
})

test('a call that is given up before it is sent leaves no lease', async () => {
  const [a] = await servers('a')
  const made = await staged([a])
  await made.stub.get()
  const call = withCredentials(made.stub)
  await until(call.asked)
  call.cancel()
  await expect(call.answer).rejects.toMatchObject({ code: Status.CANCELLED })
  call.give()
  await until(() => inflight(made) === 0)
  expect(a.calls).toEqual(['get'])
  expect(made.orders.inspect().endpoints[0]).toMatchObject({ failures: 0 })
})

test('while the circuit probes, a call with late credentials takes its leave when it is sent', async () => {
  const [a] = await servers('a')
  a.onGet = (_call, answer) => answer({ code: Status.UNAVAILABLE })
  const breaker = { volumeThreshold: 1, errorThresholdPercentage: 1, resetMs: 100 }
  const made = await staged([a], { breaker, panicThreshold: 0 })
  await expect(made.stub.get()).rejects.toMatchObject({ code: Status.UNAVAILABLE })
  await until(() => made.orders.inspect().endpoints[0]?.availability.state === 'probing')
  a.onGet = (_call, answer) => answer(null, 'a')
  const late = withCredentials(made.stub)
  await until(late.asked)
  // Its leave has been given back, and is there for another one.
  await until(() => inflight(made) === 0)
  const held = made.stub.list('open')
  held.on('error', () => undefined)
  await once(held, 'data')
  late.give()
  await expect(late.answer).rejects.toMatchObject({
    code: Status.UNAVAILABLE,
    details: expect.stringMatching(/^UNAVAILABLE: all 1 endpoints of orders are unavailable/) as unknown,
  })
  held.cancel()
})

test('two channels of one client are two, and the client outlives them', async () => {
  const [a] = await servers('a')
  const made = await staged([a])
  const another = stubOf(made.orders)
  expect([await made.stub.get(), await another.get()]).toEqual(['a', 'a'])
  another.close()
  expect(await made.stub.get()).toBe('a')
  expect(made.orders.inspect().endpoints[0]).toMatchObject({ requests: 3 })
})

test('nothing is left when both are closed', async () => {
  const [a, b] = await servers('a', 'b')
  const before = resources()
  const made = await staged([a, b])
  for (let n = 0; n < 6; n++) await made.stub.get()
  const call = made.stub.list('open')
  call.on('error', () => undefined)
  await once(call, 'data')
  expect(resources().length).toBeGreaterThan(before.length)
  call.cancel()
  made.stub.close()
  await made.orders.close()
  await until(() => resources().length <= before.length)
})

/** Sockets and timers that keep the process alive. */
function resources(): string[] {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap' || name === 'Timeout')
}

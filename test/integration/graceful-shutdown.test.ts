import { createClient } from '@fairlead/sdk'
import { describe, expect, inject, test } from 'vitest'
import { built, Child } from '../support/child.js'
import { uniqueService } from '../support/consul/registry.js'
import { startConsul } from '../support/consul/start-consul.js'
import type { ShutdownProgramOptions } from '../support/shutdown-program.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'

const bySignal = { code: null, signal: 'SIGTERM' }

async function start(options: ShutdownProgramOptions): Promise<{ child: Child; ports: readonly number[] }> {
  const program = built('test/dist/support/shutdown-program.js')
  const child = new Child(process.execPath, [program, JSON.stringify(options)])
  const lines = await eventually(
    () => {
      const found = child.lines.filter((line) => line.startsWith('listening '))
      return found.length === options.servers.length && found
    },
    { what: 'servers that listen' },
  )
  return { child, ports: lines.map((line) => Number(line.split(' ')[1])) }
}

/** Sends a request that is in flight when this resolves. */
async function inFlight(
  child: Child,
  port: number,
  id: string,
): Promise<{ readonly answer: Promise<number> }> {
  const answer = fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-request-id': id } }).then(
    async (response) => {
      await response.text()
      return response.status
    },
  )
  answer.catch(() => undefined)
  await child.line(new RegExp(`^seen GET ${id}$`))
  return { answer }
}

function drained(child: Child, server: number): unknown {
  const prefix = `drained ${server} `
  const line = child.lines.find((found) => found.startsWith(prefix))
  return line === undefined ? undefined : JSON.parse(line.slice(prefix.length))
}

// At once: each test has processes of its own, and waits for them.
describe.concurrent('a server alone', () => {
  test('finishes what is in flight, and its process ends by the signal', async () => {
    const { child, ports } = await start({ servers: [{ delayMs: 500 }] })
    const { answer } = await inFlight(child, ports[0] ?? 0, 'a')
    child.signal('SIGTERM')
    expect(await answer).toBe(200)
    expect(await child.ended).toEqual(bySignal)
    expect(drained(child, 0)).toEqual({ signal: 'SIGTERM', finished: true })
    expect(child.lines).toContain('signal 0')
    expect(child.stderr).toBe('')
  })

  test('aborts at the deadline what does not end, and ends by the signal', async () => {
    const { child, ports } = await start({ servers: [{ delayMs: 600_000, shutdown: { deadlineMs: 300 } }] })
    const { answer } = await inFlight(child, ports[0] ?? 0, 'a')
    child.signal('SIGTERM')
    await expect(answer).rejects.toThrow('fetch failed')
    expect(await child.ended).toEqual(bySignal)
    expect(drained(child, 0)).toEqual({ signal: 'SIGTERM', finished: false })
    expect(child.lines.some((line) => line.includes('"inflight":1'))).toBe(true)
  })

  test('ends at once with a second signal', async () => {
    const { child, ports } = await start({
      servers: [{ delayMs: 600_000, shutdown: { signals: ['SIGINT', 'SIGTERM'] } }],
    })
    const { answer } = await inFlight(child, ports[0] ?? 0, 'a')
    child.signal('SIGINT')
    await child.line(/^signal 0$/)
    child.signal('SIGTERM')
    expect(await child.ended).toEqual(bySignal)
    await expect(answer).rejects.toThrow('fetch failed')
    expect(drained(child, 0)).toBeUndefined()
  })

  test('without raising: the process ends when nothing keeps it, with its own status', async () => {
    const registration = { name: uniqueService('orders'), consul: { address: inject('consul').address } }
    const shutdown = { raise: false, settleMs: 0 }
    const { child } = await start({ servers: [{ shutdown }, { registration, shutdown }] })
    await child.line(/^registered$/)
    child.signal('SIGTERM')
    expect(await child.ended).toEqual({ code: 0, signal: null })
    expect(drained(child, 1)).toMatchObject({
      drain: { confirmed: true, finished: true, deregistered: true },
    })
  })

  test('where others listen for the signal, the process ends by itself, with the status of a signal', async () => {
    const { child } = await start({ servers: [{}], listener: true })
    child.signal('SIGTERM')
    expect(await child.ended).toEqual({ code: 143, signal: null })
    expect(child.lines).toContain('heard')
  })
})

test.concurrent(
  'several servers of one process: the last one ends it, and no request is cut off before',
  async () => {
    const { child, ports } = await start({ servers: [{}, { delayMs: 700 }, {}] })
    const { answer } = await inFlight(child, ports[1] ?? 0, 'a')
    child.signal('SIGTERM')
    expect(await answer).toBe(200)
    expect(await child.ended).toEqual(bySignal)
    expect(drained(child, 1)).toMatchObject({ finished: true })
    const order = child.lines.flatMap((line) => /^drained (\d)/.exec(line)?.[1] ?? [])
    expect(order.at(-1)).toBe('1')
    expect(order.toSorted()).toEqual(['0', '1', '2'])
  },
)

describe.concurrent('without Consul', () => {
  test('a registered instance leaves all the same, within the time for it', async () => {
    await using consul = await startConsul({ kinds: ['process', 'container'] })
    const registration = { name: uniqueService('orders'), consul: { address: consul.address } }
    const { child, ports } = await start({
      servers: [{ delayMs: 3000, registration, shutdown: { confirmMs: 1000, settleMs: 100 } }],
    })
    await child.line(/^registered$/)
    await consul.kill()
    const { answer } = await inFlight(child, ports[0] ?? 0, 'a')
    const begun = performance.now()
    child.signal('SIGTERM')
    expect(await answer).toBe(200)
    expect(await child.ended).toEqual(bySignal)
    // Consul, the settling, and the 3 s in which it is tried to deregister; each of the first two on its own machine.
    expect(performance.now() - begun).toBeLessThan(15_000)
    expect(drained(child, 0)).toEqual({
      signal: 'SIGTERM',
      drain: { confirmed: false, finished: true, deregistered: false },
      finished: true,
    })
    expect(child.stdout).toContain('Consul removes it once it has been critical for 600000 ms')
  })

  test('one that has never been registered is not held up by that', async () => {
    const registration = { consul: { address: 'http://127.0.0.1:1' } }
    const { child } = await start({ servers: [{ registration }] })
    await child.line(/registering the instance failed/)
    child.signal('SIGTERM')
    expect(await child.ended).toEqual(bySignal)
    expect(drained(child, 0)).toMatchObject({ drain: { confirmed: true, finished: true } })
  })

  test('a client that has not heard of it goes elsewhere, whatever the method', async () => {
    await using consul = await startConsul({ kinds: ['process', 'container'] })
    const name = uniqueService('orders')
    const registration = { name, consul: { address: consul.address } }
    const one = await start({
      servers: [{ delayMs: 5, registration, shutdown: { confirmMs: 500, settleMs: 100 } }],
    })
    const other = await start({ servers: [{ delayMs: 5, registration }] })
    await using client = createClient(name, { consul: { address: consul.address }, logger: quiet })
    await eventually(() => client.inspect().endpoints.length === 2, { what: 'two endpoints' })
    await consul.kill()
    await eventually(() => client.inspect().freshness === 'stale', { what: 'a client on its own' })
    let posts = 0
    let ended = false
    void one.child.ended.then(() => (ended = true))
    const hasEnded = (): boolean => ended
    const callers = Array.from({ length: 8 }, async () => {
      while (!hasEnded()) {
        const id = `post-${posts++}`
        const headers = { 'x-request-id': id }
        const { statusCode, body } = await client.request({ path: '/', method: 'POST', headers, body: 'b' })
        await body.dump()
        expect(statusCode).toBe(200)
      }
    })
    await eventually(() => one.child.lines.length > 100, { what: 'load on the one that ends' })
    one.child.signal('SIGTERM')
    await Promise.all(callers)
    expect(await one.child.ended).toEqual(bySignal)
    await other.child.kill()
    const seen = [...one.child.lines, ...other.child.lines].filter((line) => line.startsWith('seen POST '))
    expect(new Set(seen).size).toBe(posts)
    expect(seen).toHaveLength(posts)
  })
})

import { expect, test } from 'vitest'
import type { TransportRequest } from '#sdk/transport/transport.js'
import { usual } from './scenario.js'
import { SimServer } from './server.js'
import { Tally } from './tally.js'
import { Timeline } from './timeline.js'
import { SimTransport } from './transport.js'

function setting(): {
  timeline: Timeline
  server: SimServer
  transport: SimTransport
  heard: string[]
  send: (name: string, options?: object) => TransportRequest
} {
  const timeline = new Timeline()
  const server = new SimServer(1, { ...usual, cores: 1 }, timeline)
  const transport = new SimTransport(server, timeline)
  const heard: string[] = []
  const send = (name: string, options: object = { workUs: 10_000, tally: new Tally() }): TransportRequest => {
    const note = (what: string): void => void heard.push(`${name} ${what} at ${timeline.now()}`)
    const request: TransportRequest = {
      options: { method: 'GET', path: '/', ...options },
      carrier: undefined,
      before: undefined,
      after: undefined,
      context: undefined,
      written: false,
      answered: false,
      onConnect: () => note('written'),
      onHeaders: (status, headers) => {
        note(`${status} ${headers.map(String)[0] ?? 'without a report'}`)
        return true
      },
      onData: () => true,
      onComplete: () => {
        transport.release(request)
        note('complete')
      },
      onError: (error) => {
        transport.release(request)
        note(error.message)
      },
    }
    transport.send(request)
    return request
  }
  return { timeline, server, transport, heard, send }
}

test('carries a request there and back, and asks for the load without work', async () => {
  const { timeline, transport, heard, send } = setting()
  send('work')
  send('probe', {})
  expect(transport.connections).toBe(2)
  await timeline.runUntil(20_000)
  expect(heard).toEqual([
    'work written at 0',
    'probe written at 0',
    'probe 200 endpoint-load-metrics at 0.5',
    'probe complete at 0.5',
    'work 200 endpoint-load-metrics at 10.5',
    'work complete at 10.5',
  ])
  expect(transport.connections).toBe(0)
})

test('what is written to a server that crashes is reset, what comes after is refused', async () => {
  const { timeline, server, heard, send } = setting()
  send('served')
  timeline.after(4.9, () => send('on its way'))
  timeline.after(5, () => server.crash())
  timeline.after(6, () => send('late'))
  await timeline.runUntil(20_000)
  expect(heard).toEqual([
    'served written at 0',
    'on its way written at 4.9',
    'served ECONNRESET at 5.25',
    'on its way ECONNRESET at 5.4',
    'late ECONNREFUSED at 7',
  ])
})

test('what its sender has released is not begun, and not heard of', async () => {
  const { timeline, transport, heard, send } = setting()
  send('first')
  const second = send('second')
  send('third')
  timeline.after(5, () => transport.release(second))
  await timeline.runUntil(40_000)
  expect(heard.filter((line) => line.includes('complete'))).toEqual([
    'first complete at 10.5',
    'third complete at 20.5',
  ])
  expect(heard).not.toContainEqual(expect.stringContaining('second 200'))
})

test('closed, it lets requests finish and takes none; destroyed, it ends them', async () => {
  const { timeline, transport, heard, send } = setting()
  send('first')
  let closed = false
  void transport.close().then(() => (closed = true))
  send('second')
  await timeline.runUntil(5000)
  expect(closed).toBe(false)
  await timeline.runUntil(15_000)
  expect(closed).toBe(true)
  expect(heard.map((line) => line.split(' at ')[0])).toEqual([
    'first written',
    'second The client is closed',
    'first 200 endpoint-load-metrics',
    'first complete',
  ])
  const other = setting()
  other.send('third')
  await other.transport.destroy(new Error('destroyed'))
  await other.timeline.runUntil(20_000)
  expect(other.heard).toEqual(['third written at 0', 'third destroyed at 0'])
})

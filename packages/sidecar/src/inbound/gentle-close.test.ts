import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { ManualClock } from '@fairlead/sdk/testing'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../testing/rig.test.support.js'
import { closeGently } from './gentle-close.js'

/** Both ends of a connection; the far one stays open on its side. */
async function pair(): Promise<{ ours: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const far = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  })
  far.on('error', () => undefined).resume()
  const [ours] = await accepted
  onTestFinished(() => {
    ours.destroy()
    far.destroy()
    server.close()
  })
  return { ours, far }
}

test('a side that is silent is let go after 5 s', async () => {
  const clock = new ManualClock()
  const { ours } = await pair()
  closeGently(ours, clock)
  await clock.advance(4999)
  expect(ours.destroyed).toBe(false)
  await clock.advance(1)
  expect(ours.destroyed).toBe(true)
})

test('one that goes on sending is let go after 30 s', async () => {
  const clock = new ManualClock()
  const { ours, far } = await pair()
  closeGently(ours, clock)
  for (let second = 5; second <= 30; second += 5) {
    expect(ours.destroyed).toBe(false)
    const before = ours.bytesRead
    far.write('more')
    await until('it is read', () => ours.bytesRead > before)
    await clock.advance(5000)
  }
  expect(ours.destroyed).toBe(true)
})

test('one that closes ends it at once, and leaves no timer', async () => {
  const clock = new ManualClock()
  const { ours, far } = await pair()
  closeGently(ours, clock)
  far.end()
  await until('it is closed', () => ours.destroyed)
  await until('no timer is left', () => clock.pending === 0)
})

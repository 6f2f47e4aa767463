import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../testing/index.js'
import type { Restriction } from '../judge.js'
import { RecentLatency } from '../recent-latency.js'
import type { Owing, Pong, Silence, Watched } from './silence.js'
import { StallDetector } from './stall-detector.js'

class Request implements Owing {
  owedPlace = -1
  told = 0

  onStalled(): void {
    this.told++
  }
}

type OwedRig = Rig & { readonly owed: Request }

/** An endpoint in the hands of the test: what it is asked, and what its silence comes to. */
class Server implements Watched {
  readonly address = '10.0.0.1:80'
  readonly listed = true
  readonly blocked = false
  restriction: Restriction | undefined
  readonly pings: { end: (pong: Pong) => void; cancelled: boolean }[] = []
  readonly silence: Silence

  constructor(detector: StallDetector) {
    this.silence = detector.watch(this)
  }

  restrict(restriction: Restriction): void {
    this.restriction = restriction
  }

  lift(): void {
    this.restriction = undefined
  }

  ping(end: (pong: Pong) => void): () => void {
    const ping = { end, cancelled: false }
    this.pings.push(ping)
    return () => (ping.cancelled = true)
  }

  /** A request that it answers at once. */
  answer(): void {
    const request = new Request()
    this.silence.owe(request)
    this.silence.heard++
    this.silence.settle(request)
  }

  owe(): Request {
    const request = new Request()
    this.silence.owe(request)
    return request
  }
}

class Rig {
  readonly clock = new ManualClock()
  readonly recent = new RecentLatency(this.clock)
  allowed = true
  asked = 0
  readonly detector = new StallDetector(
    { minSilenceMs: 250, latencyFactor: 3 },
    this.recent,
    () => {
      this.asked++
      return this.allowed
    },
    this.clock,
  )
  readonly server = new Server(this.detector)
  readonly peer = new Server(this.detector)

  /** Time passes, and the peer answers all the while. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      this.peer.answer()
      await this.clock.advance(10)
    }
  }
}

test('silent while it owes, then silent to a question that takes no work: stalled, until a byte comes', async () => {
  const rig = new Rig()
  const { server } = rig
  const request = server.owe()
  await rig.pass(290)
  expect(server.pings).toHaveLength(0)
  await rig.pass(60)
  expect(server.pings).toHaveLength(1)
  expect(server.restriction).toBeUndefined()
  await rig.pass(300)
  expect(server.restriction).toMatchObject({ reason: 'stalled', kind: 'health', state: 'unavailable' })
  // What it has is told, and what is sent to it all the same.
  expect(request.told).toBeGreaterThan(0)
  const late = server.owe()
  await rig.pass(50)
  expect(late.told).toBeGreaterThan(0)
  server.silence.heard++
  await rig.pass(50)
  expect(server.restriction).toBeUndefined()
})

test('a slow answer is no stall: the question is answered, and is asked ever less often', async () => {
  const rig = new Rig()
  rig.server.owe()
  for (let passed = 0; passed < 20_000; passed += 50) {
    await rig.pass(50)
    for (const ping of rig.server.pings.splice(0)) ping.end('answered')
    expect(rig.server.restriction).toBeUndefined()
  }
  // Once after a quarter of a second, a half, one, two, four, eight and sixteen.
  expect(rig.asked).toBeGreaterThan(4)
  expect(rig.asked).toBeLessThan(9)
})

test.each([
  [
    'one byte in a while',
    async (rig: OwedRig) => {
      for (let n = 0; n < 50; n++) {
        rig.server.silence.heard++
        await rig.pass(200)
      }
    },
  ],
  [
    'an endpoint that owes nothing',
    async (rig: OwedRig) => {
      rig.server.silence.settle(rig.owed)
      await rig.pass(5000)
    },
  ],
  [
    'a spent budget',
    async (rig: OwedRig) => {
      rig.allowed = false
      await rig.pass(5000)
    },
  ],
  [
    'a service that takes as long',
    async (rig: OwedRig) => {
      for (let n = 0; n < 100; n++) rig.recent.record(2000, rig.clock.now())
      await rig.pass(5000)
    },
  ],
] as [string, (rig: OwedRig) => Promise<void>][])('is none, and nothing is asked: %s', async (_, happens) => {
  const rig = new Rig()
  const owed = rig.server.owe()
  await happens(Object.assign(rig, { owed }))
  expect(rig.server.restriction).toBeUndefined()
  expect(rig.server.pings).toHaveLength(0)
})

describe('where only one endpoint owes answers', () => {
  /** Time passes, and what is asked of the peer is answered. */
  async function pass(rig: Rig, ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      for (const ping of rig.peer.pings) if (!ping.cancelled) ping.end('answered')
      await rig.clock.advance(10)
    }
  }

  test('another one is asked as well, and if that answers it is no fault of ours', async () => {
    const rig = new Rig()
    rig.server.owe()
    await pass(rig, 400)
    expect(rig.server.pings).toHaveLength(1)
    expect(rig.peer.pings.length).toBeGreaterThan(0)
    expect(rig.server.restriction).toBeUndefined()
    await pass(rig, 400)
    expect(rig.server.restriction?.reason).toBe('stalled')
    expect(rig.peer.pings.length).toBeLessThan(6)
  })

  test('a slow answer is no stall: both are asked ever less often', async () => {
    const rig = new Rig()
    rig.server.owe()
    for (let passed = 0; passed < 20_000; passed += 50) {
      await pass(rig, 50)
      for (const ping of rig.server.pings.splice(0)) ping.end('answered')
      expect(rig.server.restriction).toBeUndefined()
    }
    expect(rig.asked).toBeGreaterThan(4)
    expect(rig.asked).toBeLessThan(18)
  })

  test.each(['silent', 'unreachable'])(
    'and none is stalled where the other one is %s, too',
    async (others) => {
      const rig = new Rig()
      rig.server.owe()
      for (let passed = 0; passed < 60_000; passed += 50) {
        await rig.clock.advance(50)
        if (others === 'unreachable') for (const ping of rig.peer.pings.splice(0)) ping.end('unreachable')
      }
      expect(rig.server.restriction).toBeUndefined()
      expect(rig.server.pings).toHaveLength(1)
      // Once in 5 s, in the end.
      expect(rig.asked).toBeLessThan(22)
    },
  )

  test('a question that was lost while it was consulted is not held against it later', async () => {
    const rig = new Rig()
    rig.server.owe()
    await rig.clock.advance(350)
    expect(rig.peer.pings).toHaveLength(1)
    // Our network is back, and now it is the peer that is slow.
    rig.server.silence.heard++
    rig.peer.owe()
    const asked = rig.peer.pings.length
    for (let passed = 0; passed < 400; passed += 50) {
      rig.server.silence.heard++
      await rig.clock.advance(50)
    }
    expect(rig.peer.pings).toHaveLength(asked + 1)
    expect(rig.peer.pings[asked - 1]?.cancelled).toBe(true)
    expect(rig.peer.restriction).toBeUndefined()
  })

  test('one that is stalled is asked again all the same, while the other one is suspect', async () => {
    const rig = new Rig()
    rig.server.owe()
    await rig.pass(700)
    expect(rig.server.restriction?.reason).toBe('stalled')
    rig.peer.owe()
    await rig.clock.advance(500)
    expect(rig.peer.silence.suspect).toBe(true)
    const asked = rig.server.pings.length
    await rig.clock.advance(10_000)
    expect(rig.server.pings.length).toBeGreaterThan(asked)
    rig.server.pings.at(-1)?.end('answered')
    await rig.clock.advance(50)
    expect(rig.server.restriction).toBeUndefined()
  })

  test('and none is asked where there is no other', async () => {
    const rig = new Rig()
    rig.detector.unwatch(rig.peer.silence)
    rig.server.owe()
    await rig.clock.advance(60_000)
    expect(rig.server.pings).toHaveLength(0)
  })

  test('where all owe, one of them is asked', async () => {
    const rig = new Rig()
    rig.server.owe()
    rig.peer.owe()
    await rig.clock.advance(400)
    expect(rig.server.pings.length + rig.peer.pings.length).toBeLessThanOrEqual(2)
  })
})

test('requests in turn that each end soon, as their callers do not wait, are silence of the endpoint all the same', async () => {
  const rig = new Rig()
  let request = rig.server.owe()
  for (let n = 0; n < 20; n++) {
    await rig.pass(50)
    const next = rig.server.owe()
    rig.server.silence.settle(request)
    request = next
  }
  expect(rig.server.restriction?.reason).toBe('stalled')
})

test('our own delay is none of its: a loop that stands still counts as one look', async () => {
  const rig = new Rig()
  rig.server.owe()
  for (let n = 0; n < 5; n++) {
    rig.clock.holdUp(2000)
    rig.peer.answer()
    await rig.clock.advance(0)
  }
  expect(rig.server.pings).toHaveLength(0)
})

test('a connection that is refused is no answer either', async () => {
  const rig = new Rig()
  rig.server.owe()
  await rig.pass(350)
  rig.server.pings[0]?.end('unreachable')
  await rig.pass(350)
  expect(rig.server.restriction?.reason).toBe('stalled')
  // It is asked once while it is suspect.
  expect(rig.server.pings).toHaveLength(1)
})

test('where this process has nothing left to ask with, nothing is known of it', async () => {
  const rig = new Rig()
  rig.server.owe()
  for (let n = 0; n < 60; n++) {
    await rig.pass(50)
    for (const ping of rig.server.pings.splice(0)) ping.end('unknown')
  }
  expect(rig.asked).toBeGreaterThan(5)
  expect(rig.server.restriction).toBeUndefined()
})

test('a stall that ended by itself makes the next one take longer', async () => {
  const rig = new Rig()
  rig.server.owe()
  await rig.pass(700)
  expect(rig.server.restriction?.reason).toBe('stalled')
  rig.server.silence.heard++
  await rig.pass(50)
  await rig.pass(450)
  expect(rig.server.pings).toHaveLength(1)
  await rig.pass(200)
  expect(rig.server.pings).toHaveLength(2)
})

test('one that is stalled is asked again after a second, and ever less often, up to 5 s', async () => {
  const rig = new Rig()
  rig.server.owe()
  await rig.pass(700)
  expect(rig.server.restriction?.reason).toBe('stalled')
  const { pings } = rig.server
  await rig.pass(1100)
  expect(pings).toHaveLength(2)
  expect(pings[0]?.cancelled).toBe(true)
  await rig.pass(30_000)
  expect(pings.length).toBeGreaterThan(7)
  expect(pings.length).toBeLessThan(12)
  pings.at(-1)?.end('answered')
  await rig.pass(50)
  expect(rig.server.restriction).toBeUndefined()
})

test('no timer is left where nothing is owed, nor of an endpoint that is gone', async () => {
  const rig = new Rig()
  const request = rig.server.owe()
  rig.server.silence.settle(request)
  await rig.clock.advance(100)
  expect(rig.clock.pending).toBe(0)
  rig.server.owe()
  await rig.pass(350)
  rig.detector.unwatch(rig.server.silence)
  expect(rig.server.pings[0]?.cancelled).toBe(true)
  await rig.clock.advance(100)
  expect(rig.clock.pending).toBe(0)
  rig.server.owe()
  expect(rig.clock.pending).toBe(0)
})

test('what is owed is found and forgotten in any order', () => {
  const { server } = new Rig()
  const [first, second, third] = [server.owe(), server.owe(), server.owe()]
  server.silence.settle(first)
  server.silence.settle(first)
  server.silence.settle(third)
  expect(server.silence.active).toBe(true)
  expect([first.owedPlace, second.owedPlace, third.owedPlace]).toEqual([-1, 0, -1])
  server.silence.settle(second)
  expect(server.silence.active).toBe(false)
})

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeResolver, instanceAt, ManualClock, seededRandom } from '../../testing/index.js'
import { originsOf, Watching } from '../../test-support/watching.test.support.js'
import { systemLookup, type HostLookup } from './host-lookup.js'
import { resolveHosts } from './resolve-hosts.js'
import type { Resolver, ResolverEvent, Snapshot } from '../resolver.js'

/** Names in the hands of a test. */
class Names {
  readonly asked: string[] = []
  readonly #answers = new Map<string, readonly string[] | string>()
  readonly #held = new Map<string, (() => void)[]>()

  /** Addresses, or the code of an error. */
  set(name: string, answer: readonly string[] | string): void {
    this.#answers.set(name, answer)
    for (const go of this.#held.get(name) ?? []) go()
    this.#held.delete(name)
  }

  /** From now on a look-up gets no answer. */
  hold(name: string): void {
    this.#answers.delete(name)
  }

  readonly lookup: HostLookup = async (name) => {
    this.asked.push(name)
    if (!this.#answers.has(name)) {
      await new Promise<void>((resolve) => this.#held.set(name, [...(this.#held.get(name) ?? []), resolve]))
    }
    const answer = this.#answers.get(name) ?? []
    if (typeof answer === 'string') throw Object.assign(new Error(`no ${name}`), { code: answer })
    return answer
  }
}

const ip = instanceAt('http://10.0.0.1:80')
const a = instanceAt('http://a.test:80')
const b = instanceAt('http://b.test:80')

let names: Names
let inner: FakeResolver
let clock: ManualClock
let watch: Watching

beforeEach(() => {
  names = new Names()
  inner = new FakeResolver()
  clock = new ManualClock()
  watch = new Watching(resolveHosts(inner, names.lookup, clock, seededRandom(1)), 'orders', clock)
})

afterEach(async () => {
  await watch[Symbol.asyncDispose]()
  expect(clock.pending).toBe(0)
  expect(inner.watching).toBe(0)
})

/** What has been told since the last call, as short text, without letting time pass. */
async function told(): Promise<string[]> {
  await clock.advance(0)
  const events = watch.events.splice(0)
  return events.map((event) => (event.kind === 'stale' ? `stale: ${event.cause.message}` : short(event)))
}

function short({ instances, excluded }: Snapshot): string {
  const placed = instances.map(({ origin, addresses }) => `${origin}=${addresses?.join() ?? ''}`)
  return [...placed, ...excluded.map(({ reason }) => reason)].join(' ')
}

test('a set without names passes as it is, and costs neither timer nor look-up', async () => {
  const event: ResolverEvent = {
    kind: 'snapshot',
    instances: [ip, instanceAt('http://[::1]:80')],
    excluded: [],
  }
  const resolver: Resolver = {
    name: 'inner',
    async *watch(_, signal) {
      yield event
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  }
  const around = resolveHosts(resolver, names.lookup, clock, seededRandom(1))
  expect(around.name).toBe('inner')
  await using passed = new Watching(around, 'orders', clock)
  expect(await passed.next()).toBe(event)
  expect([clock.pending, names.asked]).toEqual([0, []])
})

test('an instance whose addresses are known already stays as it is', async () => {
  const known = instanceAt('http://a.test:80', { addresses: ['10.0.0.9'] })
  inner.snapshot([known])
  expect(await told()).toEqual(['http://a.test:80=10.0.0.9'])
  expect(names.asked).toEqual([])
})

describe('the addresses of a name', () => {
  async function placedAt(addresses: readonly string[], weight: number): Promise<Snapshot['instances']> {
    names.set('a.test', addresses)
    inner.snapshot([ip, { ...a, weight }])
    await clock.advance(0)
    const [event] = watch.events as Snapshot[]
    expect(event?.instances[0]).toBe(ip)
    return event?.instances.slice(1) ?? []
  }

  test.each([
    ['one', ['10.0.0.2']],
    ['one of each family: the same machine, in the order of the answer', ['fd00::2', '10.0.0.2']],
    ['one that is listed twice', ['10.0.0.2', '10.0.0.2']],
  ])('%s', async (_, addresses) => {
    expect(await placedAt(addresses, 7)).toEqual([{ ...a, weight: 7, addresses: [...new Set(addresses)] }])
  })

  test.each([
    ['several of one family', ['10.0.0.3', '10.0.0.2'], ['10.0.0.2', '10.0.0.3']],
    ['as many of both', ['fd00::2', 'fd00::3', '10.0.0.3', '10.0.0.2'], ['10.0.0.2', '10.0.0.3']],
    ['more of the other', ['fd00::2', 'fd00::3', '10.0.0.2'], ['fd00::2', 'fd00::3']],
  ])('%s: as many machines, which share the weight', async (_, addresses, machines) => {
    const instances = await placedAt(addresses, 7)
    expect(instances).toEqual(
      machines.map((address) => ({ ...a, key: `${a.key}/${address}`, weight: 3.5, addresses: [address] })),
    )
    expect(instances.every(Object.isFrozen)).toBe(true)
  })

  test('weight 0 stays 0', async () => {
    expect((await placedAt(['10.0.0.2', '10.0.0.3'], 0)).map(({ weight }) => weight)).toEqual([0, 0])
  })
})

test('what else a snapshot says is kept', async () => {
  names.set('a.test', ['10.0.0.2'])
  const excluded = [{ key: 'x', reason: 'critical', kind: 'unhealthy', priority: 0 }] as const
  inner.snapshot([a], { excluded, suspect: 'no leader', savedAt: 7 })
  await told()
  inner.snapshot([a, b], { excluded, suspect: 'no leader', savedAt: 7 })
  names.set('b.test', 'ENOTFOUND')
  expect(await watch.snapshot()).toMatchObject({
    suspect: 'no leader',
    savedAt: 7,
    excluded: [...excluded, { key: b.key, kind: 'unusable', priority: 0 }],
  })
})

describe('a name that does not resolve', () => {
  test('is excluded, with its name and the code, and is back once it does', async () => {
    names.set('a.test', 'ENOTFOUND')
    inner.snapshot([ip, a])
    const event = await watch.snapshot()
    expect(event.instances).toEqual([ip])
    expect(event.excluded).toEqual([
      {
        key: a.key,
        reason: 'has host name a.test, which does not resolve (ENOTFOUND)',
        kind: 'unusable',
        priority: 0,
      },
    ])
    names.set('a.test', ['10.0.0.2'])
    // Sooner than a known name would be resolved again.
    await clock.advance(2000)
    expect((await watch.snapshot()).instances).toHaveLength(2)
  })

  test('is resolved less and less often', async () => {
    names.set('a.test', 'ENOTFOUND')
    inner.snapshot([a])
    await clock.advance(60_000)
    const inFirstMinute = names.asked.length
    expect(inFirstMinute).toBeGreaterThanOrEqual(5)
    expect(inFirstMinute).toBeLessThanOrEqual(9)
    await clock.advance(600_000)
    // Half of 30 s to 30 s apart.
    expect(names.asked.length - inFirstMinute).toBeGreaterThanOrEqual(19)
    expect(names.asked.length - inFirstMinute).toBeLessThanOrEqual(41)
    expect(await told()).toHaveLength(1)
  })

  test('keeps its last addresses if it has ever had any', async () => {
    names.set('a.test', ['10.0.0.2'])
    inner.snapshot([a])
    expect(await told()).toEqual(['http://a.test:80=10.0.0.2'])
    names.set('a.test', 'ENOTFOUND')
    await clock.advance(120_000)
    names.set('a.test', [])
    await clock.advance(120_000)
    expect(await told()).toEqual([])
    inner.snapshot([a, ip])
    expect(await told()).toEqual(['http://a.test:80=10.0.0.2 http://10.0.0.1:80='])
  })
})

describe('a name that resolves beside one that does not', () => {
  const GOOD = 'http://a.test:80=10.0.0.2'
  const BAD = 'has host name b.test, which does not resolve (ENOTFOUND)'

  beforeEach(() => {
    names.set('a.test', ['10.0.0.2'])
    names.set('b.test', 'ENOTFOUND')
  })

  test.each([
    ['first', [a, b]],
    ['last', [b, a]],
  ])('is in the first set at once, whether it stands %s', async (_, set) => {
    inner.snapshot(set)
    expect(await told()).toEqual([`${GOOD} ${BAD}`])
  })

  test('keeps its own time: the other one is retried sooner, and costs it no look-up', async () => {
    inner.snapshot([a, b])
    await told()
    await clock.advance(20_000)
    expect(names.asked.filter((name) => name === 'a.test')).toHaveLength(1)
    expect(names.asked.filter((name) => name === 'b.test').length).toBeGreaterThan(3)
    expect(await told()).toEqual([])
  })

  test('and each changes for itself', async () => {
    inner.snapshot([a, b])
    await told()
    names.set('b.test', ['10.0.0.3'])
    await clock.advance(2000)
    expect(await told()).toEqual([`${GOOD} http://b.test:80=10.0.0.3`])
    // Now the other way round: what has resolved once keeps its addresses, and the other gets new ones.
    names.set('a.test', 'ENOTFOUND')
    names.set('b.test', ['10.0.0.4'])
    await clock.advance(60_000)
    expect(await told()).toEqual([`${GOOD} http://b.test:80=10.0.0.4`])
    inner.snapshot([a])
    expect(await told()).toEqual([GOOD])
  })

  test('with the other one slow as well, both sets come in their time', async () => {
    names.hold('b.test')
    inner.snapshot([a, b])
    await clock.advance(999)
    expect(await told()).toEqual([])
    names.set('b.test', 'ENOTFOUND')
    expect(await told()).toEqual([`${GOOD} ${BAD}`])
    names.set('b.test', ['10.0.0.3'])
    await clock.advance(2000)
    expect(await told()).toEqual([`${GOOD} http://b.test:80=10.0.0.3`])
  })
})

describe('looking up again', () => {
  test('every 30 s while it is watched; new addresses are told, another order is not', async () => {
    names.set('a.test', ['10.0.0.2', '10.0.0.3'])
    inner.snapshot([a])
    expect(await told()).toHaveLength(1)
    names.set('a.test', ['10.0.0.3', '10.0.0.2'])
    await clock.advance(300_000)
    expect(names.asked.length).toBeGreaterThanOrEqual(10)
    expect(names.asked.length).toBeLessThanOrEqual(12)
    expect(await told()).toEqual([])
    names.set('a.test', ['10.0.0.4'])
    await clock.advance(30_000)
    expect(await told()).toEqual(['http://a.test:80=10.0.0.4'])
  })

  test('one of each family in another order is not news either', async () => {
    names.set('a.test', ['10.0.0.2', 'fd00::2'])
    inner.snapshot([a])
    await told()
    names.set('a.test', ['fd00::2', '10.0.0.2'])
    await clock.advance(60_000)
    expect(await told()).toEqual([])
  })

  test('names that have left the set before their turn are not resolved', async () => {
    const many = Array.from({ length: 20 }, (_, n) => instanceAt(`http://n${n}.test:80`))
    inner.snapshot(many)
    await clock.advance(0)
    inner.snapshot([ip])
    await told()
    for (let n = 0; n < 20; n++) names.set(`n${n}.test`, ['10.0.0.2'])
    await clock.advance(60_000)
    expect(names.asked).toHaveLength(8)
  })

  test('ends with the name in the set, and with the last one its timer', async () => {
    names.set('a.test', ['10.0.0.2'])
    names.set('b.test', ['10.0.0.3'])
    inner.snapshot([a, b])
    await told()
    inner.snapshot([b])
    await told()
    names.asked.length = 0
    await clock.advance(100_000)
    expect(new Set(names.asked)).toEqual(new Set(['b.test']))
    inner.snapshot([ip])
    await told()
    await clock.advance(100_000)
    expect(clock.pending).toBe(0)
  })

  test('many names: a few at once, each once, one event for all', async () => {
    const many = Array.from({ length: 100 }, (_, n) => instanceAt(`http://n${n}.test:80`))
    inner.snapshot(many)
    await clock.advance(0)
    expect(names.asked).toHaveLength(8)
    for (let n = 0; n < 100; n++) {
      names.set(`n${n}.test`, [`10.0.1.${n}`])
      await clock.advance(0)
    }
    expect(names.asked).toHaveLength(100)
    expect((await told()).map((text) => text.split(' ').length)).toEqual([100])
  })

  test('one name of many instances is looked up once', async () => {
    names.set('a.test', ['10.0.0.2'])
    inner.snapshot([a, instanceAt('http://a.test:81'), instanceAt('https://a.test:82')])
    expect(await told()).toEqual([
      'http://a.test:80=10.0.0.2 http://a.test:81=10.0.0.2 https://a.test:82=10.0.0.2',
    ])
    expect(names.asked).toEqual(['a.test'])
  })
})

describe('a slow name', () => {
  test('holds the others back for one second', async () => {
    inner.snapshot([ip, a])
    await clock.advance(999)
    expect(await told()).toEqual([])
    await clock.advance(1)
    expect(await told()).toEqual(['http://10.0.0.1:80= has host name a.test, which is still being looked up'])
    names.set('a.test', ['10.0.0.2'])
    expect(await told()).toEqual(['http://10.0.0.1:80= http://a.test:80=10.0.0.2'])
  })

  test('holds for ten where there are no others', async () => {
    inner.snapshot([a, b])
    await clock.advance(9999)
    expect(await told()).toEqual([])
    await clock.advance(1)
    expect(await told()).toHaveLength(1)
  })

  test('holds no longer once another is known, and then one second', async () => {
    inner.snapshot([a, b])
    await clock.advance(500)
    names.set('a.test', ['10.0.0.2'])
    await clock.advance(499)
    expect(await told()).toEqual([])
    await clock.advance(1)
    expect(await told()).toEqual([
      'http://a.test:80=10.0.0.2 has host name b.test, which is still being looked up',
    ])
  })

  test('is not a reason to wait for a set that came later without it', async () => {
    inner.snapshot([ip, a])
    await told()
    inner.snapshot([ip])
    expect(await told()).toEqual(['http://10.0.0.1:80='])
  })

  test('a set that came and went while it was waited for is not news', async () => {
    inner.snapshot([ip])
    await told()
    inner.snapshot([ip, a])
    await told()
    inner.snapshot([ip])
    expect(await told()).toEqual([])
  })
})

describe('stale', () => {
  test('passes, and so does the equal set that ends it', async () => {
    names.set('a.test', ['10.0.0.2'])
    inner.snapshot([a])
    await told()
    inner.stale(new Error('gone'))
    inner.stale(new Error('still gone'))
    expect(await told()).toEqual(['stale: gone', 'stale: still gone'])
    inner.snapshot([a])
    expect(await told()).toEqual(['http://a.test:80=10.0.0.2'])
  })

  test('that was over before it could be reported is not news, and neither is what ended it', async () => {
    inner.snapshot([ip])
    await told()
    inner.snapshot([ip, a])
    inner.stale(new Error('gone'))
    await told()
    inner.snapshot([ip])
    expect(await told()).toEqual([])
  })

  test('comes before the first set as well', async () => {
    inner.stale(new Error('gone'))
    expect(await told()).toEqual(['stale: gone'])
  })

  test('waits for a set that is delayed', async () => {
    inner.snapshot([a])
    inner.stale(new Error('gone'))
    expect(await told()).toEqual([])
    names.set('a.test', ['10.0.0.2'])
    expect(await told()).toEqual(['http://a.test:80=10.0.0.2', 'stale: gone'])
  })

  test('is said again after a set that only brings new addresses', async () => {
    names.set('a.test', ['10.0.0.2'])
    inner.snapshot([a])
    inner.stale(new Error('gone'))
    await told()
    await clock.advance(60_000)
    expect(await told()).toEqual([])
    names.set('a.test', ['10.0.0.3'])
    await clock.advance(30_000)
    expect(await told()).toEqual(['http://a.test:80=10.0.0.3', 'stale: gone'])
  })
})

test('a resolver that breaks its contract is passed on as it is', async () => {
  const broken = (end: () => void): Resolver => ({
    name: 'broken',
    // eslint-disable-next-line @typescript-eslint/require-await -- throws and ends are what it is here for
    async *watch() {
      yield { kind: 'snapshot', instances: [ip], excluded: [] }
      end()
    },
  })
  const follow = (resolver: Resolver): Watching =>
    new Watching(resolveHosts(resolver, names.lookup, clock, seededRandom(1)), 'orders', clock)
  await using ends = follow(broken(() => undefined))
  await ends.until(() => ends.end === 'ended')
  expect(ends.events).toHaveLength(1)
  const throws = follow(
    broken(() => {
      throw new Error('cannot')
    }),
  )
  await throws.until(() => throws.end !== undefined)
  expect(throws.end).toEqual(new Error('cannot'))
})

test('ends at once when its signal aborts, with a look-up on its way', async () => {
  inner.snapshot([a])
  await clock.advance(0)
  expect(names.asked).toEqual(['a.test'])
  await watch[Symbol.asyncDispose]()
  names.set('a.test', ['10.0.0.2'])
  expect(await told()).toEqual([])
})

test("the machine's own look-up knows its hosts file", async () => {
  inner.snapshot([])
  const own = new FakeResolver()
  own.snapshot([instanceAt('http://localhost:80'), instanceAt('http://nowhere.invalid:80')])
  await using real = new Watching(resolveHosts(own, systemLookup, clock, seededRandom(1)), 'orders', clock)
  while (real.events.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  const { instances, excluded } = await real.snapshot()
  expect(originsOf(instances)).toEqual(['http://localhost:80'])
  expect(['127.0.0.1', '::1']).toContain(instances[0]?.addresses?.[0])
  expect(excluded.map(({ reason }) => reason)).toEqual([
    expect.stringMatching(
      /^has host name nowhere.invalid, which does not resolve \((ENOTFOUND|EAI_AGAIN)\)$/,
    ),
  ])
})

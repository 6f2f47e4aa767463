import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Events, type FairleadEvent } from '../../observe/events.js'
import { FakeResolver, instanceAt, ManualClock } from '../../testing/index.js'
import type { Instance, Resolver, ResolverEvent, Snapshot } from '../resolver.js'
import { SnapshotCache } from './snapshot-cache.js'
import { SnapshotFile } from './snapshot-file.js'

const a = instanceAt('http://10.0.0.1:1')
const b = instanceAt('http://10.0.0.1:2')

const SECOND = 1000
const DAY = 86_400_000
// A set that is confirmed is dated anew twenty times in its age.
const DATED = DAY / 20

let directory: string
let stops: (() => Promise<void>)[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fairlead-'))
  stops = []
})

afterEach(async () => {
  for (const stop of stops) await stop()
  await rm(directory, { recursive: true, force: true })
})

/** A cache in front of a resolver in the hands of a test, being watched, and all that it says. */
class Rig {
  readonly resolver = new FakeResolver()
  readonly heard: ResolverEvent[] = []
  readonly published: FairleadEvent[] = []
  readonly clock: ManualClock
  readonly file: SnapshotFile
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>

  constructor({
    clock = new ManualClock(),
    source = 'who',
    folder = directory,
    resolver = undefined as Resolver | undefined,
  } = {}) {
    this.clock = clock
    this.file = new SnapshotFile(folder, source, 'orders')
    const cache = new SnapshotCache(
      resolver ?? this.resolver,
      source,
      { directory: folder, maxAgeMs: DAY },
      clock,
      new Events({ traffic: false, hear: (event) => void this.published.push(event) }),
    )
    this.#ended = this.#watch(cache)
    stops.push(() => this.stop())
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }

  /** Discovery says this, and what is due is done. */
  async list(instances: readonly Instance[], rest: { readonly suspect?: string } = {}): Promise<void> {
    this.resolver.snapshot(instances, rest)
    await this.clock.advance(0)
  }

  async fail(message: string): Promise<void> {
    const heard = this.heard.length
    this.resolver.stale(new Error(message))
    // The disk is asked in between.
    await expect.poll(() => this.heard.length).toBeGreaterThan(heard)
  }

  /** Waits until this is on disk. */
  async saved(instances: readonly Instance[], savedAt = this.clock.unixTime()): Promise<void> {
    await expect.poll(() => this.#read()).toEqual({ instances, savedAt })
  }

  async #read(): Promise<unknown> {
    return this.file.read().then(
      ({ instances, savedAt }) => ({ instances, savedAt }),
      (error: unknown) => error,
    )
  }

  async #watch(cache: SnapshotCache): Promise<void> {
    for await (const event of cache.watch('orders', this.#stop.signal)) this.heard.push(event)
  }
}

/** A set of these is on disk, of the time at which a manual clock begins. */
async function save(instances: readonly Instance[], source = 'who'): Promise<void> {
  const rig = new Rig({ source })
  await rig.list(instances)
  await rig.saved(instances)
  await rig.stop()
}

async function clockAfter(ms: number): Promise<ManualClock> {
  const clock = new ManualClock()
  await clock.advance(ms)
  return clock
}

describe('saving', () => {
  test('what discovery lists is on disk at once', async () => {
    const rig = new Rig()
    await rig.list([a, b])
    await rig.saved([a, b])
    expect(rig.heard).toMatchObject([{ kind: 'snapshot', instances: [a, b] }])
    expect(rig.heard[0]).not.toHaveProperty('savedAt')
    expect((await stat(rig.file.path)).mode & 0o777).toBe(0o600)
  })

  test('a flapping service is written once a second, and its last set is', async () => {
    const rig = new Rig()
    await rig.list([a])
    await rig.saved([a])
    for (let n = 0; n < 9; n++) {
      await rig.clock.advance(100)
      await rig.list(n % 2 === 0 ? [b] : [a])
    }
    await rig.list([a, b])
    await rig.saved([a], rig.clock.unixTime() - 900)
    await rig.clock.advance(99)
    await rig.saved([a], rig.clock.unixTime() - 999)
    await rig.clock.advance(1)
    await rig.saved([a, b])
  })

  test('the date is renewed while discovery stands to the set', async () => {
    const rig = new Rig()
    await rig.list([a])
    await rig.saved([a])
    await rig.clock.advance(DATED - 1)
    await rig.saved([a], rig.clock.unixTime() - DATED + 1)
    await rig.clock.advance(1)
    await rig.saved([a])
    await rig.clock.advance(DATED)
    await rig.saved([a])
    await rig.stop()
    expect(rig.clock.pending).toBe(0)
  })

  test('and not while it is stale', async () => {
    const rig = new Rig()
    await rig.list([a])
    await rig.saved([a])
    await rig.fail('cut off')
    expect(rig.clock.pending).toBe(0)
    await rig.clock.advance(DAY)
    await rig.saved([a], rig.clock.unixTime() - DAY)
    // Confirmed again.
    await rig.list([a])
    await rig.saved([a])
  })

  test('nor while its answers are suspect, and those are not saved', async () => {
    const rig = new Rig()
    await rig.list([a, b])
    await rig.saved([a, b])
    await rig.clock.advance(SECOND)
    await rig.list([], { suspect: 'the agent knows no leader' })
    expect(rig.clock.pending).toBe(0)
    await rig.clock.advance(DATED)
    await rig.stop()
    await rig.saved([a, b], rig.clock.unixTime() - DATED - SECOND)
    expect(rig.heard).toMatchObject([{}, { instances: [], suspect: 'the agent knows no leader' }])
  })

  test('what waits for its time is written when discovery fails', async () => {
    const rig = new Rig()
    await rig.list([a])
    await rig.saved([a])
    await rig.clock.advance(100)
    await rig.list([b])
    await rig.fail('cut off')
    await rig.saved([b])
  })

  test('and when the watch ends', async () => {
    const rig = new Rig()
    await rig.list([a])
    await rig.saved([a])
    await rig.clock.advance(100)
    await rig.list([b])
    await rig.stop()
    expect(rig.clock.pending).toBe(0)
    await rig.saved([b])
    const last = await stat(rig.file.path)
    await rig.stop()
    expect((await stat(rig.file.path)).mtimeMs).toBe(last.mtimeMs)
  })

  test('on a disk that is slower than the service changes one write waits, and takes the latest', async () => {
    const rig = new Rig()
    let release: (() => void) | undefined
    const write = vi.spyOn(SnapshotFile.prototype, 'write')
    const slow = new Promise<void>((resolve) => (release = resolve))
    write.mockImplementationOnce(() => slow)
    await rig.list([a])
    for (const instances of [[b], [], [a], [a, b]]) {
      await rig.clock.advance(SECOND)
      await rig.list(instances)
    }
    expect(write).toHaveBeenCalledTimes(1)
    release?.()
    await rig.saved([a, b])
    expect(write).toHaveBeenCalledTimes(2)
    write.mockRestore()
  })

  test('what could not be written is tried once more when the watch ends', async () => {
    const folder = join(directory, 'sets')
    await writeFile(folder, 'a file')
    const rig = new Rig({ folder })
    await rig.list([a])
    await expect.poll(() => rig.published.length).toBe(1)
    await rm(folder)
    await rig.stop()
    await rig.saved([a])
  })

  test('a folder that cannot be written to is told once, until it can', async () => {
    const folder = join(directory, 'sets')
    await writeFile(folder, 'a file')
    const rig = new Rig({ folder })
    await rig.list([a])
    await expect
      .poll(() => rig.published)
      .toMatchObject([{ type: 'discovery:save-failed', file: rig.file.path, error: { code: 'EEXIST' } }])
    for (const instances of [[b], [a], [b]]) {
      await rig.clock.advance(SECOND)
      await rig.list(instances)
    }
    expect(rig.heard).toHaveLength(4)
    await rm(folder)
    await rig.clock.advance(SECOND)
    await rig.list([a, b])
    await rig.saved([a, b])
    expect(rig.published).toHaveLength(1)
    await rm(folder, { recursive: true })
    await writeFile(folder, 'a file')
    await rig.clock.advance(SECOND)
    await rig.list([a])
    await expect.poll(() => rig.published.length).toBe(2)
  })
})

describe('a start without discovery', () => {
  test('gives the saved set, with its date, and then why', async () => {
    await save([a, b])
    const rig = new Rig({ clock: await clockAfter(3600 * SECOND) })
    await rig.fail('refused')
    await expect.poll(() => rig.heard.length).toBe(2)
    expect(rig.heard).toEqual([
      { kind: 'snapshot', instances: [a, b], excluded: [], savedAt: rig.clock.unixTime() - 3600 * SECOND },
      { kind: 'stale', cause: new Error('refused') },
    ])
    await rig.fail('refused again')
    expect(rig.heard.slice(2)).toEqual([{ kind: 'stale', cause: new Error('refused again') }])
    // It is not news of today.
    await rig.stop()
    await rig.saved([a, b], rig.clock.unixTime() - 3600 * SECOND)
  })

  test('never gives it to one that has answered', async () => {
    await save([a, b])
    const rig = new Rig()
    await rig.list([])
    await rig.fail('cut off')
    expect(rig.heard).toMatchObject([{ instances: [] }, { kind: 'stale', cause: new Error('cut off') }])
  })

  test('gives it before a first answer that is suspect, and leaves it as it is', async () => {
    await save([a, b])
    const rig = new Rig()
    const savedAt = rig.clock.unixTime()
    for (let times = 1; times <= 2; times++) await rig.list([], { suspect: 'the agent knows no leader' })
    await expect.poll(() => rig.heard.length).toBe(3)
    const answered = { instances: [], suspect: 'the agent knows no leader' }
    expect(rig.heard).toMatchObject([{ instances: [a, b], savedAt }, answered, answered])
    await rig.stop()
    await rig.saved([a, b], savedAt)
  })

  test.each([
    ['a day ago, it still serves', DAY, true],
    ['longer ago, it does not', DAY + 1, false],
  ])('saved %s', async (_, age, serves) => {
    await save([a])
    const rig = new Rig({ clock: await clockAfter(age) })
    await rig.fail('refused')
    if (serves) {
      await expect.poll(() => rig.heard.length).toBe(2)
    } else {
      expect(rig.heard).toEqual([{ kind: 'stale', cause: expect.any(Error) as Error }])
      expect(rig.heard[0]).toMatchObject({
        cause: {
          message: `refused; and the saved set ${rig.file.path} is of 2030-01-01T00:00:00.000Z, which is too old (option snapshot.maxAgeMs)`,
        },
      })
    }
  })

  test('does not trust a date far ahead', async () => {
    const rig = new Rig()
    await rig.file.write({ kind: 'snapshot', instances: [a], excluded: [] }, rig.clock.unixTime() + DAY + 1)
    await rig.fail('refused')
    expect(rig.heard.map(({ kind }) => kind)).toEqual(['stale'])
  })

  test('says that there is none, for as long as that matters', async () => {
    const rig = new Rig()
    for (const message of ['refused', 'refused again']) await rig.fail(message)
    const none = `no set was saved as ${rig.file.path}`
    expect(rig.heard.map((event) => event.kind === 'stale' && event.cause.message)).toEqual([
      `refused; and ${none}`,
      `refused again; and ${none}`,
    ])
    expect(rig.heard[0]).toMatchObject({ cause: { cause: new Error('refused') } })
    await rig.list([a])
    await rig.fail('cut off')
    expect(rig.heard.at(-1)).toEqual({ kind: 'stale', cause: new Error('cut off') })
  })

  test('says what is wrong with it', async () => {
    await save([a])
    const rig = new Rig()
    const text = await readFile(rig.file.path, 'utf8')
    await writeFile(rig.file.path, text.replace('10.0.0.1:1', '10.0.0.1:7'))
    await rig.fail('refused')
    expect(rig.heard).toMatchObject([
      {
        cause: {
          message: `refused; and the saved set ${rig.file.path} cannot be used: it is damaged, or of another version than 1`,
        },
      },
    ])
  })

  test('does not take the set of another source', async () => {
    await save([a], 'Consul here')
    await save([b], 'Consul there')
    expect(await readdir(directory)).toHaveLength(2)
    const rig = new Rig({ source: 'Consul there' })
    await rig.fail('refused')
    await expect.poll(() => rig.heard.length).toBe(2)
    expect(rig.heard[0]).toMatchObject({ instances: [b] })
  })

  test('reports nothing once no one listens', async () => {
    let release: ((saved: Snapshot & { savedAt: number }) => void) | undefined
    const reading = vi.spyOn(SnapshotFile.prototype, 'read')
    reading.mockImplementationOnce(() => new Promise((resolve) => (release = resolve)))
    const rig = new Rig()
    rig.resolver.stale(new Error('refused'))
    await expect.poll(() => release).toBeDefined()
    const stopped = rig.stop()
    release?.({ kind: 'snapshot', instances: [a], excluded: [], savedAt: rig.clock.unixTime() })
    await stopped
    expect(rig.heard).toEqual([])
    reading.mockRestore()
  })
})

import { describe, expect, test } from 'vitest'
import { instanceAt } from '../../testing/index.js'
import { until } from '../../test-support/until.test.support.js'
import type { Plan } from './plan.js'
import type { TargetEvent, WatchTarget } from './watch.js'
import type { Instance } from '../resolver.js'
import { TargetSet } from './target-set.js'

function targetOf(service: string, priority: number, datacenter?: string): WatchTarget {
  return {
    service,
    question: {
      datacenter,
      namespace: undefined,
      partition: undefined,
      peer: undefined,
      near: undefined,
      filter: undefined,
      tags: [],
      consistency: 'default',
      cached: false,
    },
    read: {
      priority,
      scheme: undefined,
      address: { network: 'lan', ipFamily: undefined },
      onlyPassing: false,
      keyPrefix: '',
    },
  }
}

const instance = (port: number, priority = 0): Instance => instanceAt(`http://10.0.0.1:${port}`, { priority })

/** A target set whose watches say what the test makes them say. */
class Scene {
  readonly ended: string[] = []
  readonly #watches = new Map<string, (event: TargetEvent) => void>()
  changes = 0
  readonly set: TargetSet = new TargetSet(
    (target, signal) => this.#watch(target, signal),
    () => this.changes++,
  )

  adopt(policy: Plan['policy'], ...targets: readonly WatchTarget[]): void {
    this.set.adopt({ targets: targets as unknown as Plan['targets'], policy })
  }

  get watched(): readonly string[] {
    return [...this.#watches.keys()]
  }

  async health(service: string, instances: readonly Instance[], suspect?: string): Promise<void> {
    await this.#say(service, {
      kind: 'health',
      health: { instances, excluded: [] },
      suspect,
      empty: undefined,
    })
  }

  async fail(service: string, message: string): Promise<void> {
    await this.#say(service, { kind: 'stale', cause: new Error(message) })
  }

  /** What is told, as text. */
  news(): readonly string[] {
    return this.set.news().map((event) => {
      if (event.kind === 'stale') return `stale: ${event.cause.message}`
      const { instances, excluded, suspect, policy } = event
      const names = instances.map(({ origin, priority }) => `${new URL(origin).port}@${priority}`)
      return [
        names.join(' ') || 'none',
        ...excluded.map(({ key, reason, kind, priority }) => `${key}@${priority} ${kind}: ${reason}`),
        ...(suspect === undefined ? [] : [`suspect ${suspect}`]),
        ...(policy === undefined ? [] : [JSON.stringify(policy)]),
      ].join('; ')
    })
  }

  async #say(service: string, event: TargetEvent): Promise<void> {
    const { changes } = this
    this.#watches.get(service)?.(event)
    await until(() => this.changes > changes)
  }

  async *#watch(target: WatchTarget, signal: AbortSignal): AsyncGenerator<TargetEvent, void, undefined> {
    const events: TargetEvent[] = []
    let wake = (): void => undefined
    this.#watches.set(target.service, (event) => {
      events.push(event)
      wake()
    })
    signal.addEventListener('abort', () => wake())
    try {
      while (!signal.aborted) {
        const event = events.shift()
        if (event === undefined) await new Promise<void>((resolve) => (wake = resolve))
        else yield event
      }
    } finally {
      this.ended.push(target.service)
      this.#watches.delete(target.service)
    }
  }
}

const [first, second, third] = [targetOf('first', 0), targetOf('second', 1, 'dc2'), targetOf('third', 2)]

describe('one target', () => {
  test('is told as it is, and once', async () => {
    const scene = new Scene()
    scene.adopt(undefined, first)
    expect(scene.news()).toEqual([])
    await scene.health('first', [instance(1)])
    expect(scene.news()).toEqual(['1@0'])
    expect(scene.news()).toEqual([])
    await scene.health('first', [], 'no leader')
    expect(scene.news()).toEqual(['none; suspect no leader'])
  })

  test('an outage is told each time, and ends with the next set', async () => {
    const scene = new Scene()
    scene.adopt(undefined, first)
    await scene.fail('first', 'a')
    expect(scene.news()).toEqual(['stale: a'])
    await scene.fail('first', 'b')
    expect(scene.news()).toEqual(['stale: b'])
    expect(scene.news()).toEqual([])
    await scene.health('first', [instance(1)])
    expect(scene.news()).toEqual(['1@0'])
  })

  test('of what a slow listener missed the latest is told', async () => {
    const scene = new Scene()
    scene.adopt(undefined, first)
    await scene.health('first', [instance(1)])
    await scene.fail('first', 'a')
    expect(scene.news()).toEqual(['1@0', 'stale: a'])
    await scene.fail('first', 'b')
    await scene.health('first', [instance(2)])
    expect(scene.news()).toEqual(['2@0'])
  })
})

describe('several targets', () => {
  test('make one set, which does not wait for the later ones', async () => {
    const scene = new Scene()
    scene.adopt(undefined, first, second, third)
    await scene.health('third', [instance(3, 2)])
    expect(scene.news()).toEqual([])
    await scene.health('first', [instance(1)])
    // What is missing may be with those that have not answered.
    expect(scene.news()).toEqual(['1@0 3@2; suspect second in dc2 has not answered yet'])
    await scene.health('second', [instance(2, 1)])
    expect(scene.news()).toEqual(['1@0 2@1 3@2'])
    await scene.health('second', [instance(2, 1)], 'cut off')
    expect(scene.news()).toEqual(['1@0 2@1 3@2; suspect cut off'])
  })

  test('one that cannot be asked has had its say: a note, and no suspect', async () => {
    const scene = new Scene()
    scene.adopt(undefined, first, second)
    await scene.health('first', [instance(1)])
    await scene.fail('second', 'no path')
    expect(scene.news()).toEqual(['1@0; second in dc2@1 unusable: no path'])
  })

  test('an instance of two priorities belongs to the better one', async () => {
    const scene = new Scene()
    scene.adopt(undefined, first, second)
    await scene.health('first', [instance(1)])
    await scene.health('second', [instance(1, 1), instance(2, 1)])
    expect(scene.news()).toEqual(['1@0 2@1'])
  })

  test('one of the later ones that fails is a note, which is told when it begins and ends', async () => {
    const scene = new Scene()
    scene.adopt(undefined, first, second)
    await scene.health('first', [instance(1)])
    await scene.health('second', [instance(2, 1)])
    scene.news()
    await scene.fail('second', 'unreachable')
    const note = '1@0 2@1; second in dc2@1 unusable: unreachable'
    expect(scene.news()).toEqual([note])
    await scene.fail('second', 'unreachable still')
    expect(scene.news()).toEqual([])
    await scene.health('second', [])
    expect(scene.news()).toEqual(['1@0'])
  })

  test.each(['before', 'after'])(
    'the first one fails %s another one has instances: they are told, and the outage',
    async (when) => {
      const scene = new Scene()
      scene.adopt(undefined, first, second)
      if (when === 'before') {
        await scene.fail('first', 'down')
        expect(scene.news()).toEqual(['stale: down'])
        await scene.health('second', [instance(2, 1)])
      } else {
        await scene.health('second', [instance(2, 1)])
        expect(scene.news()).toEqual([])
        await scene.fail('first', 'down')
      }
      // Its own instances are missing, and not gone.
      expect(scene.news()).toEqual(['2@1; suspect down', 'stale: down'])
      await scene.fail('second', 'down as well')
      const note = 'second in dc2@1 unusable: down as well'
      expect(scene.news()).toEqual([`2@1; ${note}; suspect down`, 'stale: down'])
      // That it goes on is not news of the first one's.
      await scene.fail('second', 'down as well, still')
      expect(scene.news()).toEqual([])
      await scene.health('first', [instance(1)])
      expect(scene.news()).toEqual([`1@0 2@1; ${note}, still`])
      // What it has said stands, once it fails.
      await scene.fail('first', 'down again')
      await scene.health('second', [])
      expect(scene.news()).toEqual(['1@0', 'stale: down again'])
    },
  )

  test('where the others have none, an outage of the first is only that', async () => {
    const scene = new Scene()
    scene.adopt(undefined, first, second)
    await scene.health('second', [])
    await scene.fail('first', 'down')
    expect(scene.news()).toEqual(['stale: down'])
    await scene.health('second', [instance(2, 1)])
    expect(scene.news()).toEqual(['2@1; suspect down', 'stale: down'])
  })
})

describe('another plan', () => {
  test('goes on with what stays, ends what goes, and begins with what is new', async () => {
    const scene = new Scene()
    scene.adopt(undefined, first, second)
    await scene.health('first', [instance(1)])
    await scene.health('second', [instance(2, 1)])
    scene.news()
    scene.adopt({ connectTimeoutMs: 5 }, first, third)
    await until(() => scene.ended.includes('second'))
    expect(scene.news()).toEqual([
      '1@0; suspect third in this datacenter has not answered yet; {"connectTimeoutMs":5}',
    ])
    expect(scene.watched).toEqual(['first', 'third'])
    await scene.health('third', [instance(3, 2)])
    expect(scene.news()).toEqual(['1@0 3@2; {"connectTimeoutMs":5}'])
  })

  test('with another first target waits for its answer', async () => {
    const scene = new Scene()
    scene.adopt(undefined, first)
    await scene.health('first', [instance(1)])
    scene.news()
    scene.adopt(undefined, targetOf('other', 0))
    expect(scene.news()).toEqual([])
    await scene.fail('other', 'not yet')
    expect(scene.news()).toEqual(['stale: not yet'])
    await scene.health('other', [instance(9)])
    expect(scene.news()).toEqual(['9@0'])
  })

  test('that is the same is not a change, and the same policy is the same object', async () => {
    const scene = new Scene()
    scene.adopt({ connectTimeoutMs: 5 }, first)
    await scene.health('first', [instance(1)])
    const [before] = scene.set.news()
    scene.adopt({ connectTimeoutMs: 5 }, targetOf('first', 0))
    expect(scene.news()).toEqual([])
    scene.adopt({ connectTimeoutMs: 5 }, first, second)
    const [after] = scene.set.news()
    expect(after).toMatchObject({ kind: 'snapshot', policy: { connectTimeoutMs: 5 } })
    expect((after as { policy?: object }).policy).toBe((before as { policy?: object }).policy)
  })

  test('the end of all of them', async () => {
    const scene = new Scene()
    scene.adopt(undefined, first, second)
    await scene.health('first', [instance(1)])
    scene.set.close()
    await until(() => scene.ended.length === 2)
    expect(scene.news()).toEqual([])
  })
})

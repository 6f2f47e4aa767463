import { setFlagsFromString, getHeapSpaceStatistics } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LinkedList, type Linked } from './linked-list.js'

class Item implements Linked<Item> {
  before: Item | undefined
  after: Item | undefined
}

test('holds what a Set would, in the same order, over any adding and removing', () => {
  const step = fc.record({ append: fc.boolean(), place: fc.nat(7) })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const items = Array.from({ length: 8 }, () => new Item())
      const list = new LinkedList<Item>()
      const model = new Set<Item>()
      for (const { append, place } of steps) {
        const item = items[place]
        if (item === undefined) throw new Error(`there is no item ${place}`)
        if (!append) expect(list.remove(item)).toBe(model.delete(item))
        else if (!model.has(item)) {
          list.append(item)
          model.add(item)
        }
        expect([...list]).toEqual([...model])
        expect(list.size).toBe(model.size)
        expect(list.first).toBe([...model][0])
      }
    }),
  )
})

describe('what is removed', () => {
  test('refers to nothing, so that it keeps nothing alive', () => {
    const [a, b, c] = [new Item(), new Item(), new Item()]
    const list = new LinkedList<Item>()
    for (const item of [a, b, c]) list.append(item)
    list.remove(b)
    expect([b.before, b.after]).toEqual([undefined, undefined])
    expect(a.after).toBe(c)
    expect(c.before).toBe(a)
  })

  test('may be removed while it is handed out', () => {
    const list = new LinkedList<Item>()
    for (let count = 0; count < 3; count++) list.append(new Item())
    let seen = 0
    for (const item of list) {
      list.remove(item)
      seen++
    }
    expect(seen).toBe(3)
    expect(list.size).toBe(0)
  })
})

describe('what has come and gone leaves the young generation to be collected', () => {
  const IN_FLIGHT = 64
  const BYTES = 2048

  class Request extends Item {
    readonly payload: unknown[] = new Array<unknown>(BYTES / 8).fill(0)
    next: Request | undefined
  }

  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void

  function oldBytes(): number {
    return (
      getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? NaN
    )
  }

  /** How many of 5,000 requests, 64 of them there at a time, have become old. */
  function leftBy(add: (request: Request) => () => void): number {
    const ends: (() => void)[] = []
    const churn = (times: number): void => {
      for (let time = 0; time < times; time++) {
        const place = time % IN_FLIGHT
        ends[place]?.()
        ends[place] = add(new Request())
        if (time % 500 === 0) collect({ type: 'minor' })
      }
    }
    churn(1000)
    // From here on what holds them is old.
    collect()
    const before = oldBytes()
    churn(5000)
    return (oldBytes() - before) / BYTES
  }

  test('in a LinkedList', () => {
    const list = new LinkedList<Item>()
    const left = leftBy((request) => {
      list.append(request)
      return () => void list.remove(request)
    })
    expect(left).toBeLessThan(500)
  })

  test('but not where each refers to the next one', () => {
    let last: Request | undefined
    const left = leftBy((request) => {
      if (last !== undefined) last.next = request
      last = request
      return () => undefined
    })
    expect(left).toBeGreaterThan(3000)
  })
})

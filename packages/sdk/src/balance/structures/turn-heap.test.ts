import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TurnHeap } from './turn-heap.js'

const turn = fc.integer({ min: 0, max: 50 })
const step = fc.oneof(
  fc.record({ kind: fc.constant('putOff' as const), by: turn }),
  fc.record({ kind: fc.constant('setAside' as const), by: fc.constant(0) }),
  fc.record({ kind: fc.constant('putBack' as const), by: turn }),
  fc.record({ kind: fc.constant('rebase' as const), by: fc.constant(7) }),
)

test('the first has the earliest turn of all that are not set aside, after any operations', () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 40 }), fc.array(step, { maxLength: 120 }), (turns, steps) => {
      const heap = new TurnHeap(turns)
      // The same with nothing but a map and a stack.
      const queue = new Map(turns.entries())
      const aside: { member: number; turn: number }[] = []
      for (const { kind, by } of steps) {
        if (queue.size === 0) expect(heap.member).toBe(-1)
        else expect([heap.turn, heap.turn]).toEqual([Math.min(...queue.values()), queue.get(heap.member)])
        expect(heap.asideMember).toBe(aside.at(-1)?.member ?? -1)
        if (aside.length > 0) expect(heap.asideTurn).toBe(aside.at(-1)?.turn)
        const { member, turn } = heap
        if (kind === 'putOff' && queue.size > 0) {
          heap.putOff(turn + by)
          queue.set(member, turn + by)
        } else if (kind === 'setAside' && queue.size > 0) {
          heap.setAside()
          queue.delete(member)
          aside.push({ member, turn })
        } else if (kind === 'putBack' && aside.length > 0) {
          heap.putBack(by)
          queue.set(aside.pop()?.member ?? -1, by)
        } else if (kind === 'rebase') {
          heap.rebase(by)
          for (const [member, turn] of queue) queue.set(member, turn - by)
          for (const each of aside) each.turn -= by
        }
      }
    }),
    { numRuns: 500 },
  )
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { priorityLoads, panicLoads, type PriorityHealth } from './priority-loads.js'

const ofHundred = (...available: readonly number[]): readonly PriorityHealth[] =>
  available.map((count) => ({ available: count, members: 100, known: 100 }))

// Percent of each priority that is healthy, and percent of the load that goes to it.
describe('Envoy, priority.rst', () => {
  test.each([
    [
      [100, 100],
      [100, 0],
    ],
    [
      [72, 100],
      [100, 0],
    ],
    [
      [71, 100],
      [99, 1],
    ],
    [
      [50, 100],
      [70, 30],
    ],
    [
      [25, 100],
      [35, 65],
    ],
    [
      [0, 100],
      [0, 100],
    ],
  ])('two priorities, the second healthy: %j takes %j', (healthy, loads) => {
    expect(priorityLoads(ofHundred(...healthy))).toEqual(loads)
  })

  test.each([
    [
      [100, 100],
      [100, 0],
    ],
    [
      [72, 72],
      [100, 0],
    ],
    [
      [71, 71],
      [99, 1],
    ],
    [
      [50, 50],
      [70, 30],
    ],
    [
      [25, 100],
      [35, 65],
    ],
    [
      [25, 25],
      [50, 50],
    ],
  ])('two priorities: %j takes %j', (healthy, loads) => {
    expect(priorityLoads(ofHundred(...healthy))).toEqual(loads)
  })

  test.each([
    [
      [100, 100, 100],
      [100, 0, 0],
    ],
    [
      [72, 72, 100],
      [100, 0, 0],
    ],
    [
      [71, 71, 100],
      [99, 1, 0],
    ],
    [
      [50, 50, 100],
      [70, 30, 0],
    ],
    [
      [25, 100, 100],
      [35, 65, 0],
    ],
    [
      [25, 25, 100],
      [35, 35, 30],
    ],
    [
      [25, 25, 20],
      [36, 36, 28],
    ],
  ])('three priorities: %j takes %j', (healthy, loads) => {
    expect(priorityLoads(ofHundred(...healthy))).toEqual(loads)
  })

  test('its example of healths of 20 and 30', () => {
    // 1.4 x 1 / 7 = 20%, 1.4 x 3 / 14 = 30%.
    expect(
      priorityLoads([
        { available: 1, members: 7, known: 7 },
        { available: 3, members: 14, known: 14 },
      ]),
    ).toEqual([40, 60])
  })
})

// Two more rows of that table, 50/60 and 25/100, leave the overprovisioning out and contradict priority.rst.
test.each([
  [
    [72, 72],
    [100, 0],
  ],
  [
    [71, 71],
    [99, 1],
  ],
  [
    [25, 25],
    [50, 50],
  ],
  [
    [5, 65],
    [7, 93],
  ],
])('Envoy, panic_threshold.rst: %j takes %j', (healthy, loads) => {
  expect(priorityLoads(ofHundred(...healthy))).toEqual(loads)
})

// [available, known] of each priority.
test.each([
  [
    [
      [1, 2],
      [1, 2],
      [1, 2],
    ],
    [70, 30, 0],
  ],
  [
    [
      [1, 4],
      [2, 2],
      [1, 2],
    ],
    [35, 65, 0],
  ],
  [
    [
      [1, 4],
      [1, 4],
      [1, 4],
    ],
    [35, 35, 30],
  ],
  [
    [
      [1, 5],
      [1, 5],
      [1, 5],
    ],
    [34, 33, 33],
  ],
  [
    [
      [0, 5],
      [0, 5],
      [5, 5],
    ],
    [0, 0, 100],
  ],
  [
    [
      [0, 5],
      [0, 5],
      [4, 5],
    ],
    [0, 0, 100],
  ],
])("Envoy's own tests, GentleFailoverWithExtraLevels: %j takes %j", (priorities, loads) => {
  expect(
    priorityLoads(priorities.map(([available = 0, known = 0]) => ({ available, members: known, known }))),
  ).toEqual(loads)
})

test('a priority without endpoints takes nothing', () => {
  expect(priorityLoads([])).toEqual([])
  expect(priorityLoads([{ available: 0, members: 0, known: 0 }])).toEqual([0])
  expect(priorityLoads(ofHundred(0, 0))).toEqual([0, 0])
  expect(priorityLoads([{ available: 0, members: 0, known: 0 }, ...ofHundred(1)])).toEqual([0, 100])
})

const somePriorities = fc.array(
  fc
    .record({ known: fc.integer({ min: 0, max: 1000 }), down: fc.integer({ min: 0, max: 1000 }) })
    .map(({ known, down }) => ({ known, members: known, available: Math.max(0, known - down) })),
  { maxLength: 6 },
)

test('all of the load goes somewhere, and each priority gets its part of it to the percent', () => {
  fc.assert(
    fc.property(somePriorities, (priorities) => {
      const loads = priorityLoads(priorities)
      const healths = priorities.map(({ available, known }) =>
        known === 0 ? 0 : Math.min(100, (140 * available) / known),
      )
      const sum = loads.reduce((total, load) => total + load, 0)
      const total = healths.reduce((all, health) => all + Math.trunc(health), 0)
      expect(sum).toBe(total === 0 ? 0 : 100)
      loads.forEach((load, priority) => {
        expect(Number.isInteger(load)).toBe(true)
        const health = Math.trunc(healths[priority] ?? 0)
        if (health === 0) expect(load).toBe(0)
        if (total === 0 || total >= 100) expect(load).toBeLessThanOrEqual(health)
        else expect(Math.abs(load - (health * 100) / total)).toBeLessThan(1)
      })
    }),
  )
})

test('no priority gets anything while those before it can carry all', () => {
  fc.assert(
    fc.property(somePriorities, (priorities) => {
      const loads = priorityLoads(priorities)
      let before = 0
      priorities.forEach(({ available, known }, priority) => {
        if (before >= 100) expect(loads[priority]).toBe(0)
        before += known === 0 ? 0 : Math.min(100, Math.trunc((140 * available) / known))
      })
    }),
  )
})

test('where all priorities are in panic, the load is shared out by members', () => {
  const priority = (members: number): PriorityHealth => ({ available: 0, members, known: 100 })
  expect(panicLoads([priority(10), priority(30)])).toEqual([25, 75])
  expect(panicLoads([priority(1), priority(1), priority(1)])).toEqual([34, 33, 33])
  expect(panicLoads([])).toEqual([])
})

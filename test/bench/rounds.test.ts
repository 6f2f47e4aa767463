import { describe, expect, it } from 'vitest'
import { interleave, interleaveGenerations, ratiosOf, seriesOf, spreadOf, type Lineup } from './rounds.js'

describe('interleave', () => {
  it('runs everyone once a round, in order, and forgets the warm-ups', async () => {
    const order: string[] = []
    const contestants = ['a', 'b'].map((name) => ({
      name,
      measure: () => Promise.resolve(order.push(name)),
    }))
    const { rounds } = await interleave(contestants, { rounds: 2, warmUps: 1 })
    expect(order.join('')).toBe('ababab')
    expect(rounds).toEqual([
      { a: 3, b: 4 },
      { a: 5, b: 6 },
    ])
  })

  it('removes what fails, with all its results, and goes on with the others', async () => {
    let turns = 0
    const steady = { name: 'steady', measure: () => Promise.resolve(1) }
    const brittle = {
      name: 'brittle',
      measure: () => (++turns === 2 ? Promise.reject(new Error('broke')) : Promise.resolve(1)),
    }
    const match = await interleave([brittle, steady], { rounds: 3, warmUps: 0 })
    expect(match.rounds).toEqual([{ steady: 1 }, { steady: 1 }, { steady: 1 }])
    expect(match.failed).toEqual([{ name: 'brittle', why: 'broke' }])
    expect(turns).toBe(2)
  })
})

describe('interleaveGenerations', () => {
  it('starts everyone anew for each, and puts the rounds in a row', async () => {
    const log: string[] = []
    let generation = 0
    const start = (): Promise<Lineup<number>> => {
      const own = ++generation
      return Promise.resolve({
        contestants: [{ name: 'a', measure: () => Promise.resolve(own) }],
        stop: () => Promise.resolve(void log.push(`stop ${own}`)),
      })
    }
    const { rounds } = await interleaveGenerations(start, { generations: 2, rounds: 2, warmUps: 1 })
    expect(rounds).toEqual([{ a: 1 }, { a: 1 }, { a: 2 }, { a: 2 }])
    expect(log).toEqual(['stop 1', 'stop 2'])
  })

  it('removes from all generations what fails in one', async () => {
    let turns = 0
    const brittle = () => (++turns === 2 ? Promise.reject(new Error('broke')) : Promise.resolve(1))
    const start = (): Promise<Lineup<number>> =>
      Promise.resolve({
        contestants: [
          { name: 'steady', measure: () => Promise.resolve(1) },
          { name: 'brittle', measure: brittle },
        ],
        stop: () => Promise.resolve(),
      })
    const match = await interleaveGenerations(start, { generations: 2, rounds: 1, warmUps: 0 })
    expect(match.rounds).toEqual([{ steady: 1 }, { steady: 1 }])
    expect(match.failed).toEqual([{ name: 'brittle', why: 'broke' }])
  })
})

describe('spreadOf', () => {
  it('has no answer without values', () => {
    expect(spreadOf([])).toBeUndefined()
  })

  it('finds median and quartiles whatever the order', () => {
    expect(spreadOf([5, 1, 4, 2, 3])).toEqual({ least: 1, lower: 2, median: 3, upper: 4, most: 5 })
  })

  it('interpolates between two values', () => {
    expect(spreadOf([1, 2])).toEqual({ least: 1, lower: 1.25, median: 1.5, upper: 1.75, most: 2 })
  })
})

describe('ratiosOf', () => {
  const rounds = [{ a: 10, b: 5 }, { a: 2, b: 1 }, { a: 3 }, { a: 1, b: 0 }]

  it('pairs within a round, and skips rounds that have no pair', () => {
    expect(ratiosOf(rounds, 'a', 'b', (sample) => sample)).toEqual([2, 2])
  })

  it('differs from the ratio of the medians on purpose', () => {
    expect(spreadOf(seriesOf(rounds, 'a', (sample) => sample))?.median).toBe(2.5)
  })
})

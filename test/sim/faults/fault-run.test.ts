import { balancers, type BalancerName } from '@fairlead/sdk'
import { describe, expect, test } from 'vitest'
import { faultRun, type FaultFigures } from './fault-run.js'
import { faults } from './faults.js'
import { variants } from './variants.js'

interface Size {
  readonly clients?: number
  readonly servers?: number
  readonly seed?: number
}

async function run(
  name: string,
  variant: string,
  balancer: BalancerName = 'round_robin',
  size: Size = {},
): Promise<FaultFigures> {
  const fault = faults.find((known) => known.name === name)
  const resilience = variants[variant]
  if (fault === undefined || resilience === undefined) throw new Error(`there is no ${name} or ${variant}`)
  const small = { clients: 3, servers: 6, seed: 1, faultS: 15, afterS: 10 }
  return faultRun({ fault, resilience, balancer: balancers[balancer], ...small, ...size })
}

test('the same seed gives the same figures, another one others', async () => {
  const figures = await run('silent', 'both')
  expect(await run('silent', 'both')).toEqual(figures)
  expect(await run('silent', 'both', 'round_robin', { seed: 2 })).not.toEqual(figures)
})

test.each(['round_robin', 'peak_ewma'] as const)(
  'where nothing goes wrong, circuits and outlier detection change nothing: %s',
  async (balancer) => {
    const without = await run('none', 'neither', balancer)
    expect(await run('none', 'both', balancer)).toEqual(without)
    expect(without).toMatchObject({ failed: 0, failedAfter: 0, leftS: undefined })
  },
)

describe('traffic leaves one that', () => {
  test.each(['dead', 'silent', 'slow'])('is %s, by either, and fewer fail', async (name) => {
    const without = await run(name, 'neither')
    expect(without.leftS).toBeUndefined()
    for (const variant of ['circuits', 'outlier detection', 'both']) {
      const figures = await run(name, variant)
      expect(figures.leftS).toBeLessThanOrEqual(4)
      expect(figures.failed).toBeLessThanOrEqual(without.failed / 4)
      expect(figures.failedAfter).toBe(0)
    }
  })

  test('answers 500, by its circuit', async () => {
    const without = await run('errors', 'neither')
    const figures = await run('errors', 'both')
    expect(without.failed).toBeGreaterThan(10)
    expect(figures.failed).toBeLessThan(without.failed / 5)
  })

  test('fails every third request, which only a comparison shows', async () => {
    // Enough of them to compare: 180 from one client to one server in an interval.
    const busy = { clients: 2 }
    expect((await run('flaky', 'circuits', 'round_robin', busy)).leftS).toBeUndefined()
    const figures = await run('flaky', 'both', 'round_robin', busy)
    expect(figures.leftS).toBeLessThanOrEqual(13)
    expect(figures.amplification).toBeLessThan(
      (await run('flaky', 'neither', 'round_robin', busy)).amplification,
    )
  })
})

test('a third of all that is away is left, within the rest of the capacity', async () => {
  const figures = await run('zone', 'both')
  // What is refused was not written, and goes to whoever is left for free.
  expect(figures.failed).toBe(0)
  expect(figures.leftS).toBeLessThanOrEqual(2)
  expect(figures.amplification).toBeLessThan(1.1)
})

test.each(['all-503', 'all-dead'])(
  'where all fail alike (%s), all are back with the end of it',
  async (name) => {
    const without = await run(name, 'neither')
    const figures = await run(name, 'both')
    expect(figures).toMatchObject({ backS: 0, failedAfter: 0 })
    // With half of them ejected for half a minute it would be two times as long.
    expect(figures.p99After).toBeLessThan(without.p99After * 1.2)
  },
)

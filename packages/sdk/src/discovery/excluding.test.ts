import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { Logger } from '../logger.js'
import { excluding } from './excluding.js'
import { fixedResolver } from './fixed-resolver.js'
import type { Resolver, ResolverEvent } from './resolver.js'

test('what it gets wrong is said when it begins, and again after a set that it got right', async () => {
  const sets = await setsOf(6)
  const wrong = [true, true, false, true, true, false]
  let asked = 0
  const said: string[] = []
  const ignore = (): void => undefined
  const logger: Logger = { info: ignore, warn: ignore, error: (_, message) => void said.push(message) }
  const resolver: Resolver = {
    name: 'a test',
    watch: () => Readable.from(sets),
  }
  const exclude = (): undefined => {
    if (wrong[asked++] === true) throw new Error('out of order')
  }
  const counts: number[] = []
  const before = excluding(resolver, exclude, logger)
  for await (const event of before.watch('orders', new AbortController().signal)) {
    if (event.kind === 'snapshot') counts.push(event.instances.length, said.length)
  }
  expect(counts).toEqual([1, 1, 1, 1, 1, 1, 1, 2, 1, 2, 1, 2])
})

async function setsOf(count: number): Promise<ResolverEvent[]> {
  const ending = new AbortController()
  for await (const event of fixedResolver(['http://127.0.0.1:1']).watch('orders', ending.signal)) {
    ending.abort()
    return Array.from({ length: count }, () => event)
  }
  return []
}

import { describe, expect, test } from 'vitest'
import { candidates, FakeCandidate, keyHash, seededRandom } from '../../testing/index.js'
import { registeredWeight, type PickContext } from '../picker.js'
import { maglev } from './maglev.js'
import { rendezvous } from './rendezvous.js'
import { ringHash } from './ring-hash.js'

const context = (key: string): PickContext<FakeCandidate> => ({ now: 0, tried: [], hash: keyHash(key) })
const keys = Array.from({ length: 2000 }, (_, index) => `user-${index}`)

// What all policies by key promise, whatever their table.
describe.each([
  ['maglev', maglev()],
  ['rendezvous', rendezvous()],
  ['ring_hash', ringHash()],
  ['ring_hash with ketama', ringHash({ hashFunction: 'ketama' })],
] as const)('a key by %s', (_, balancer) => {
  test('meets the same endpoint in every process, whatever the order in which endpoints are listed', () => {
    const endpoints = candidates([3, 1, 4, 1, 5, 9, 2, 6])
    const picker = balancer(endpoints, seededRandom(1), registeredWeight)
    const reversed = balancer([...endpoints].reverse(), seededRandom(2), registeredWeight)
    for (const key of keys) expect(reversed.pick(context(key))).toBe(picker.pick(context(key)))
  })

  test('stays with its endpoint when another one fails, and fails over to the same one each time', () => {
    const endpoints = candidates([2, 1, 3, 1])
    const [failing] = endpoints as [FakeCandidate]
    const picker = balancer(endpoints, seededRandom(1), registeredWeight)
    const other = balancer([...endpoints].reverse(), seededRandom(2), registeredWeight)
    const before = keys.map((key) => picker.pick(context(key)))
    failing.available = false
    const during = keys.map((key) => picker.pick(context(key)))
    expect(keys.map((key) => other.pick(context(key)))).toEqual(during)
    during.forEach((endpoint, index) => {
      if (before[index] !== failing) expect(endpoint).toBe(before[index])
      else expect(endpoint).not.toBe(failing)
    })
    // The keys of a failed endpoint spread over all of the others.
    const heirs = new Set(during.filter((_, index) => before[index] === failing))
    expect(heirs.size).toBe(3)
    failing.available = true
    expect(keys.map((key) => picker.pick(context(key)))).toEqual(before)
  })

  test('still has one place to go when 999 of 1,000 are down', () => {
    const endpoints = Array.from({ length: 1000 }, (_, index) => new FakeCandidate(1 + index))
    for (const endpoint of endpoints) endpoint.available = false
    const last = endpoints[777] as FakeCandidate
    last.available = true
    const picker = balancer(endpoints, seededRandom(1), registeredWeight)
    for (const key of keys.slice(0, 100)) expect(picker.pick(context(key))).toBe(last)
  })
})

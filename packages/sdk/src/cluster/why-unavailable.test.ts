import { expect, test } from 'vitest'
import { AVAILABLE, type Availability } from '../resilience/judge.js'
import { whyUnavailable } from './why-unavailable.js'

const because = (reason: string, until?: number): { availability: Availability } => ({
  availability: { state: 'unavailable', reason, kind: 'health', since: 0, until },
})

test('counts endpoints by reason, and leaves out those that are available', () => {
  const endpoints = [
    because('circuit_open'),
    because('ejected'),
    { availability: AVAILABLE },
    because('circuit_open'),
  ]
  expect(whyUnavailable(endpoints, 0)).toBe('circuit_open (2), ejected (1)')
})

test('says in how many milliseconds the first one may be over, as far as that is known', () => {
  const endpoints = [because('circuit_open', 1500), because('circuit_open', 1200.5), because('ejected')]
  expect(whyUnavailable(endpoints, 1000)).toBe(
    'circuit_open (2), ejected (1), the first until 201 ms from now',
  )
})

test('one that is over by now is not in the past', () => {
  expect(whyUnavailable([because('circuit_open', 900)], 1000)).toBe(
    'circuit_open (1), the first until 0 ms from now',
  )
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { placeOf, valueIn } from './raw-headers.js'

const raw = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text, 'latin1'))

describe('a header is found as by Headers', () => {
  // What may be in a name (RFC 9110, 5.6.2), but for the two that no name which is asked for has.
  const letters = "!#$%&'*+-.0123456789abcxyzABCXYZ|~".split('')
  const name = fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 3 })
  const pair = fc.tuple(
    name,
    fc.string({ unit: fc.constantFrom('a', 'Z', '0', ' ', ',', '\xe9'), maxLength: 4 }),
  )

  test('whatever its spelling, and however often it is there', () =>
    fc.assert(
      fc.property(fc.array(pair), name, (pairs, asked) => {
        const wanted = new Headers(pairs.map(([key, value]): [string, string] => [key, value]))
        const lower = asked.toLowerCase()
        expect(valueIn(raw(...pairs.flat()), lower)).toBe(wanted.get(lower) ?? undefined)
      }),
    ))

  test('and not a value that is spelled like it, nor a name without a value', () => {
    expect(placeOf(raw('x', 'age', 'Age', '5'), 'age')).toBe(3)
    expect(placeOf(raw('x', 'age'), 'age')).toBe(-1)
    expect(placeOf(raw('age'), 'age')).toBe(-1)
    expect(placeOf(raw('Age', '5', 'AGE', '6'), 'age', 2)).toBe(3)
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonListReader, type EntryReader, type Keyed } from './json-list.js'

interface Whole extends Keyed {
  readonly entry: unknown
}

const whole: EntryReader<Whole> = { read: (entry) => ({ key: '', entry }), same: () => false }

/** Reads what arrives in these chunks. */
function read(...chunks: readonly (string | Buffer)[]): unknown[] {
  const list = new JsonListReader(whole)
  for (const chunk of chunks) list.push(Buffer.from(chunk as string))
  list.end()
  return list.entries.map(({ value: { entry } }) => entry)
}

/** Cuts bytes at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end))
}

// What can be said in JSON survives JSON, unlike -0.
const value = fc
  .jsonValue({ maxDepth: 4, stringUnit: 'binary' })
  .map((any) => JSON.parse(JSON.stringify(any)) as unknown)
const spaces = fc.stringMatching(/^[ \t\n\r]{0,3}$/)

test('any list, cut at any bytes, reads as JSON.parse reads it', () => {
  fc.assert(
    fc.property(
      fc.array(value, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      fc.constantFrom(undefined, 1, '\t'),
      spaces,
      (list, places, indent, around) => {
        const text = `${around}${JSON.stringify(list, undefined, indent)}${around}`
        expect(read(...cut(Buffer.from(text), places))).toEqual(list)
      },
    ),
    { numRuns: 200 },
  )
})

test('any list, byte by byte, as its entries arrive', () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 4 }), (list) => {
      const bytes = Buffer.from(JSON.stringify(list))
      expect(read(...Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual(list)
    }),
  )
})

test('any text that JSON.parse refuses as a list is refused', () => {
  const pieces = fc.constantFrom(
    '[',
    ']',
    '{',
    '}',
    ',',
    ':',
    '"',
    '\\',
    '1',
    '"a"',
    'null',
    ' ',
    'é',
    '{"a":1}',
  )
  fc.assert(
    fc.property(
      fc.array(pieces, { maxLength: 8 }).map((all) => all.join('')),
      fc.array(fc.nat()),
      (text, places) => {
        const expected = parsedList(text)
        const reading = (): unknown[] => read(...cut(Buffer.from(text), places))
        if (expected === undefined) expect(reading).toThrow()
        else expect(reading()).toEqual(expected)
      },
    ),
    { numRuns: 1000 },
  )
})

function parsedList(text: string): unknown[] | undefined {
  try {
    const json: unknown = JSON.parse(text)
    return Array.isArray(json) ? json : undefined
  } catch {
    return undefined
  }
}

test.each<[string, string]>([
  ['quotes, brackets and backslashes in strings', '[{"a":"]},[{\\"\\\\"},"\\\\",["\\\\\\"]"]]'],
  ['nested lists and objects', '[[[1],[]],{"a":{"b":[{}]}},[]]'],
  ['characters of two, three and four bytes', '["é","€","😀","\\ud83d\\ude00"]'],
  ['white space', ' \n[ 1 ,\t{ } , [ ] ]\r\n '],
  ['an empty list', '[]'],
  ['an empty list with white space', '[ \n ]'],
  ['numbers, true, false and null', '[1,-2.5e3,true,false,null]'],
])('reads %s, cut anywhere', (_, text) => {
  const bytes = Buffer.from(text)
  for (let at = 0; at <= bytes.length; at++)
    expect(read(bytes.subarray(0, at), bytes.subarray(at))).toEqual(JSON.parse(text))
})

describe('is refused', () => {
  test.each([
    ['', 'expected a JSON list, got nothing'],
    [' ', 'expected a JSON list, got  '],
    ['{}', 'expected a JSON list, got {}'],
    ['null', 'expected a JSON list, got null'],
    ['"[]"', 'expected a JSON list, got "[]"'],
    ['<html>[1]</html>', 'expected a JSON list, got <html>[1]</html>'],
    [`x${'y'.repeat(100)}`, `expected a JSON list, got x${'y'.repeat(59)}`],
    ['][', 'expected a JSON list, got ]['],
    ['[1}', 'expected a JSON list, got [1}'],
    ['[{]}]', 'expected a JSON list, got [{]}]'],
    ['[]]', 'expected a JSON list, got []]'],
    ['[][', 'expected a JSON list, got []['],
    ['[1] 2', 'expected a JSON list, got [1] 2'],
    ['[', 'the JSON list ends too early'],
    ['[{"a":1}', 'the JSON list ends too early'],
    ['[{"a":1},', 'the JSON list ends too early'],
    ['["]', 'the JSON list ends too early'],
  ])('%j', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })

  test.each(['[1,]', '[,1]', '[1,,2]', '[,]', '[tru]', '[1 2]', '["\n"]'])('%j', (text) => {
    expect(() => read(text)).toThrow(SyntaxError)
  })
})

test('has read an entry before the next one has arrived, and what comes before a fault', () => {
  const list = new JsonListReader(whole)
  const entries = (): unknown[] => list.entries.map(({ value: { entry } }) => entry)
  list.push(Buffer.from('[{"a":1},{"b'))
  expect(entries()).toEqual([{ a: 1 }])
  list.push(Buffer.from('":2},'))
  expect(entries()).toEqual([{ a: 1 }, { b: 2 }])
  expect(() => list.end()).toThrow('ends too early')
})

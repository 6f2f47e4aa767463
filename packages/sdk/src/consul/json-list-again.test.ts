import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonListReader, type EntryReader, type ListEntry } from './json-list.js'

/** Any entry, under its key, with what tells its versions apart. */
interface Thing {
  readonly key: string
  readonly entry: unknown
}

let parsed = 0
const reader: EntryReader<Thing> = {
  read: (entry) => {
    parsed++
    return { key: String((entry as { key?: unknown }).key), entry }
  },
  same: (before, now) => same(before.entry, now.entry),
}

function same(before: unknown, now: unknown): boolean {
  const meaning = (entry: unknown): unknown =>
    typeof entry === 'object' ? (entry as { readonly value?: unknown }).value : entry
  return JSON.stringify(meaning(before)) === JSON.stringify(meaning(now))
}

function read(
  text: string,
  known: readonly ListEntry<Thing>[] = [],
  cuts: readonly number[] = [],
): readonly ListEntry<Thing>[] {
  const bytes = Buffer.from(text)
  const list = new JsonListReader(reader, known)
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  parsed = 0
  places.slice(1).forEach((end, index) => list.push(Buffer.from(bytes.subarray(places[index], end))))
  list.end()
  return list.entries
}

const valuesOf = (entries: readonly ListEntry<Thing>[]): readonly unknown[] =>
  entries.map(({ value }) => value.entry)

// Few keys and few values, so that what is known often comes again; strings with all that a scanner can stumble over.
const awkward = fc
  .array(fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ' ', 'é', '😀', 'a'))
  .map((parts) => parts.join(''))
const thing = fc.record({
  key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
  value: fc.oneof(awkward, fc.integer({ min: 0, max: 3 }), fc.jsonValue({ maxDepth: 2 })),
  output: fc.integer({ min: 0, max: 1 }),
})
const things = fc.uniqueArray(thing, { selector: ({ key }) => key, maxLength: 6 })
const cuts = fc.array(fc.nat(), { maxLength: 8 })
const indent = fc.constantFrom(undefined, 2)

test('however it is cut, and whatever was known: the entries are those of the text', () => {
  fc.assert(
    fc.property(things, things, cuts, indent, (before, after, places, space) => {
      const known = read(JSON.stringify(before, undefined, space))
      const text = JSON.stringify(after, undefined, space)
      const entries = read(text, known, places)
      const meaning = ({ key, value }: { key: unknown; value?: unknown }): unknown => ({ key, value })
      expect(valuesOf(entries).map((entry) => meaning(entry as { key: unknown }))).toEqual(
        (JSON.parse(text) as { key: string }[]).map(meaning),
      )
    }),
    { numRuns: 500 },
  )
})

test('a value stays the same object as long as it means the same', () => {
  fc.assert(
    fc.property(things, things, cuts, (before, after, places) => {
      const known = read(JSON.stringify(before))
      const entries = read(JSON.stringify(after), known, places)
      for (const { value } of entries) {
        const last = known.find(({ value: { key } }) => key === value.key)?.value
        if (last !== undefined) expect(value === last).toBe(same(last.entry, value.entry))
      }
    }),
    { numRuns: 500 },
  )
})

describe('what is not parsed again', () => {
  const list = (keys: string, changed = ''): string =>
    JSON.stringify(Array.from(keys, (key) => ({ key, value: changed.includes(key) ? 'new' : 'old' })))

  test.each([
    ['everything, when nothing has changed', list('abcdef'), 0],
    ['all but what has changed', list('abcdef', 'be'), 2],
    ['all but what is new', list('axbcdyef'), 2],
    // The first one behind a gap shows where to go on.
    ['all but one behind each gap', list('adef'), 1],
    ['all but the last of a shorter list, where there is none', list('abc'), 0],
  ])('%s', (_, text, count) => {
    const known = read(list('abcdef'))
    expect(valuesOf(read(text, known))).toEqual(JSON.parse(text))
    expect(parsed).toBe(count)
  })

  test('also when it comes byte by byte', () => {
    const text = list('abcdef')
    const known = read(text)
    read(
      text,
      known,
      Array.from({ length: text.length }, (__, index) => index),
    )
    expect(parsed).toBe(0)
  })

  test('from answer to answer', () => {
    let known = read(list('abcdef'))
    for (const changed of ['a', 'ab', 'f', '']) known = read(list('abcdef', changed), known)
    read(list('abcdef'), known)
    expect(parsed).toBe(0)
  })
})

test('one that begins like a known one, and goes on, is another', () => {
  const known = read('[{"key":"a"},1]')
  expect(valuesOf(read('[{"key":"a"} ,12]', known))).toEqual([{ key: 'a' }, 12])
  expect(valuesOf(read('[{"key":"a"},1.5]', known))).toEqual([{ key: 'a' }, 1.5])
})

test.each([
  '{}',
  '',
  ' ',
  '[',
  '[{"key":"a"}',
  '[1,]',
  '[,1]',
  '[1}',
  '[}',
  '[]]',
  '[] x',
  'x[]',
  '[{"a":1]}]',
  '["',
  '["\\',
])('%j is not a list', (text) => {
  expect(() => read(text)).toThrow()
  expect(() => read(text, read('[{"key":"a"},1]'))).toThrow()
})

test('white space around it and in it does no harm', () => {
  expect(read(' [ ] \n')).toEqual([])
  expect(valuesOf(read('\n[ 1 ,\t2 ]\r\n'))).toEqual([1, 2])
})

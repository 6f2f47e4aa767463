import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import wabt from 'wabt'
import xxhash from 'xxhash-wasm'
import { Xxh64 } from './xxh64.js'

const valueOf = ({ high, low }: Xxh64): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)

function hashOf(...texts: readonly string[]): bigint {
  const hash = new Xxh64()
  let seed = { high: 0, low: 0 }
  for (const text of texts) {
    hash.hash(text, seed.high, seed.low)
    seed = { high: hash.high, low: hash.low }
  }
  return valueOf(hash)
}

// Envoy test/common/common/hash_test.cc; the last one is of "foo" and then "bar".
test.each<[string[], bigint]>([
  [[''], 17241709254077376921n],
  [['foo'], 3728699739546630719n],
  [['bar'], 5234164152756840025n],
  [['foo\nbar'], 8917841378505826757n],
  [['lyft'], 4400747396090729504n],
  [['foo', 'bar'], 17745830980996999794n],
])('%j is what Envoy publishes', (texts, value) => {
  expect(hashOf(...texts)).toBe(value)
})

test('agrees with the reference implementation on any text, length and seed', async () => {
  const reference = await xxhash()
  const hash = new Xxh64()
  const short = fc.oneof(fc.string({ maxLength: 100 }), fc.string({ unit: 'binary', maxLength: 100 }))
  const text = fc.tuple(short, fc.constantFrom(1, 1, 1, 50)).map(([part, times]) => part.repeat(times))
  fc.assert(
    fc.property(text, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (text, seed) => {
      hash.hash(text, Number(BigInt.asIntN(32, seed >> 32n)), Number(BigInt.asIntN(32, seed)))
      return valueOf(hash) === reference.h64(text, seed)
    }),
    { numRuns: 500 },
  )
})

test('agrees at every length around the strides of the algorithm, in ASCII and beyond', async () => {
  const reference = await xxhash()
  for (let length = 0; length <= 140; length++) {
    // The last one has halves of surrogate pairs, which UTF-8 has no place for.
    const texts = ['a', 'é', '😀', '\ud800', 'a\udc00b'].map((unit) => unit.repeat(length))
    for (const text of [...texts, `${'z'.repeat(length)}€`]) {
      expect(hashOf(text)).toBe(reference.h64(text))
    }
  }
})

test('both halves are whole numbers that V8 keeps in a register', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const hash = new Xxh64()
      hash.hash(text)
      expect([hash.high | 0, hash.low | 0]).toEqual([hash.high, hash.low])
    }),
  )
})

test('takes text that is longer than its memory', async () => {
  const reference = await xxhash()
  // 64 KiB at first, which no text before has grown.
  for (const length of [21_000, 22_000, 70_000, 1_000_000, 5]) {
    for (const unit of ['a', '€'])
      expect(hashOf(unit.repeat(length))).toBe(reference.h64(unit.repeat(length)))
  }
})

// `npx vitest run --update xxh64` writes it anew.
test('the module is what its source says', async () => {
  const assembler = await wabt()
  const source = await readFile(new URL('xxh64.wat', import.meta.url))
  const { buffer } = assembler.parseWat('xxh64.wat', source).toBinary({})
  const module = `// Assembled from xxh64.wat by its test.
export const XXH64_WASM =
  '${Buffer.from(buffer).toString('base64')}'
`
  await expect(module).toMatchFileSnapshot('xxh64-wasm.ts')
})

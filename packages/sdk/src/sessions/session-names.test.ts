import { createSecretKey, type KeyObject } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { candidates, type FakeCandidate } from '../testing/index.js'
import { SessionNames } from './session-names.js'

const secret = (text: string): KeyObject => createSecretKey(Buffer.from(text.repeat(32)))

function named(
  endpoints: readonly FakeCandidate[],
  key = 'a',
  service = 'orders',
): SessionNames<FakeCandidate> {
  const names = new SessionNames<FakeCandidate>(secret(key), service)
  names.adopt(endpoints)
  return names
}

const endpoints = candidates(Array.from({ length: 300 }, () => 1))
const [first, second] = endpoints as [FakeCandidate, FakeCandidate]
const names = named(endpoints)
const tokenOf = (endpoint: FakeCandidate, of = names): string => of.pass(endpoint)?.token ?? 'none'
const token = tokenOf(first)

test('a token leads to its endpoint, in every program that has the secret, and in no other', () => {
  const others = named([...endpoints].reverse())
  const tokens = endpoints.map((endpoint) => tokenOf(endpoint))
  expect(new Set(tokens).size).toBe(endpoints.length)
  for (const [place, each] of tokens.entries()) {
    expect(each).toMatch(/^[\w-]{32}$/)
    expect(names.find(each)).toBe(endpoints[place])
    expect(others.find(each)).toBe(endpoints[place])
    expect(tokenOf(endpoints[place] as FakeCandidate, others)).toBe(each)
  }
  expect(named(endpoints, 'b').find(token)).toBeUndefined()
})

test('a token of one service is not valid for another, and a service has one name in any case', () => {
  const payments = named(endpoints, 'a', 'payments')
  expect(payments.find(token)).toBeUndefined()
  expect(names.find(tokenOf(first, payments))).toBeUndefined()
  expect(named(endpoints, 'a', 'Orders').find(token)).toBe(first)
})

test('a token says nothing of the address: not a byte is that of another secret or service', () => {
  const { origin, key } = first.instance
  const bytes = Buffer.from(token, 'base64url').toString('latin1')
  for (const part of [origin, key, '10.0.0.1', 'node']) {
    expect(token).not.toContain(part)
    expect(bytes).not.toContain(part)
  }
  // The name is keyed as well: without the secret its endpoint cannot be found by trying all addresses.
  for (const other of [named(endpoints, 'b'), named(endpoints, 'a', 'payments')]) {
    expect(tokenOf(first, other).slice(0, 8)).not.toBe(token.slice(0, 8))
    expect(tokenOf(first, other).slice(-8)).not.toBe(token.slice(-8))
  }
})

describe('is not a session', () => {
  test('a token with any one bit changed', () => {
    const bytes = Buffer.from(token, 'base64url')
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const forged = Buffer.from(bytes)
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(names.find(forged.toString('base64url')), `bit ${bit}`).toBeUndefined()
    }
  })

  test('a token cut, extended, or made of two', () => {
    for (let length = 0; length < token.length; length++) {
      expect(names.find(token.slice(0, length))).toBeUndefined()
      expect(names.find(token.slice(length + 1))).toBeUndefined()
    }
    for (const wrong of [`${token}A`, `A${token}`, `${token}=`, `${token}\n`, `${token} `, token + token]) {
      expect(names.find(wrong), wrong).toBeUndefined()
    }
    // The name of one with the signature of the other.
    expect(names.find(token.slice(0, 11) + tokenOf(second).slice(11))).toBeUndefined()
  })

  test('an address, or any text at all', () => {
    for (const { instance } of endpoints) {
      for (const text of [instance.key, instance.origin, Buffer.from(instance.key).toString('base64url')]) {
        expect(names.find(text)).toBeUndefined()
      }
    }
    const texts = fc.oneof(
      fc.string(),
      fc
        .uint8Array({ minLength: 24, maxLength: 24 })
        .map((bytes) => Buffer.from(bytes).toString('base64url')),
      // The right length in characters, among them such as are more than a byte.
      fc
        .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 32, maxLength: 32 })
        .map((units) => String.fromCharCode(...units)),
    )
    fc.assert(fc.property(texts, (text) => names.find(text) === undefined))
  })

  test('a character that ends in the byte of the right one', () => {
    expect(names.find(String.fromCharCode(token.charCodeAt(0) + 256) + token.slice(1))).toBeUndefined()
  })
})

test('a token is not valid while its endpoint is gone, and is valid again when it is back', () => {
  const moving = named(endpoints)
  const rest = endpoints.slice(1)
  moving.adopt(rest)
  expect(moving.find(token)).toBeUndefined()
  expect(moving.pass(first)).toBeUndefined()
  for (const endpoint of rest) expect(moving.find(tokenOf(endpoint))).toBe(endpoint)
  moving.adopt([])
  expect(moving.find(token)).toBeUndefined()
  const [again] = candidates([1]) as [FakeCandidate]
  moving.adopt([again])
  expect(moving.find(token)).toBe(again)
})

test('names are made in steps, each for one turn, and for new endpoints only', () => {
  const many = candidates(Array.from({ length: 1250 }, () => 1))
  const stepped = new SessionNames<FakeCandidate>(secret('a'), 'orders')
  expect([...stepped.prepare(many)]).toHaveLength(2)
  stepped.adopt(many)
  expect([...stepped.prepare(many)]).toHaveLength(0)
  for (const endpoint of many.slice(-10)) expect(stepped.find(tokenOf(endpoint, stepped))).toBe(endpoint)
})

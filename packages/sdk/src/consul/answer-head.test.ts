import { describe, expect, test } from 'vitest'
import { answerHead, retryAfterMs } from './answer-head.js'

const silent = {
  index: undefined,
  streamed: false,
  knownLeader: undefined,
  lastContactMs: undefined,
  ageMs: undefined,
  filteredByAcls: false,
  deniesByDefault: undefined,
  addressesTranslated: false,
}

test('reads what Consul 1.8.7 sends from its cache', () => {
  const head = answerHead({
    'x-consul-index': '10',
    'x-consul-knownleader': 'true',
    'x-consul-lastcontact': '0',
    'x-consul-effective-consistency': 'stale',
    'x-cache': 'HIT',
    age: '12',
  })
  expect(head).toEqual({ ...silent, index: 10, knownLeader: true, lastContactMs: 0, ageMs: 12_000 })
})

test('reads what newer ones send', () => {
  const head = answerHead({
    'x-consul-knownleader': 'false',
    'x-consul-results-filtered-by-acls': 'true',
    'x-consul-translate-addresses': 'true',
  })
  expect(head).toEqual({
    ...silent,
    knownLeader: false,
    filteredByAcls: true,
    addressesTranslated: true,
  })
})

test('of what the streaming backend sends, believes the index and the addresses alone', () => {
  const head = answerHead({
    'x-consul-default-acl-policy': 'allow',
    'x-consul-effective-consistency': 'leader',
    'x-consul-index': '26',
    'x-consul-knownleader': 'false',
    'x-consul-lastcontact': '0',
    'x-consul-query-backend': 'streaming',
    'x-consul-translate-addresses': 'true',
  })
  expect(head).toEqual({
    ...silent,
    index: 26,
    streamed: true,
    filteredByAcls: undefined,
    deniesByDefault: false,
    addressesTranslated: true,
  })
})

test("and all that 1.13 says where it asks its servers, as for a watch's first query", () => {
  const head = answerHead({
    'x-consul-default-acl-policy': 'deny',
    'x-consul-effective-consistency': 'leader',
    'x-consul-index': '26',
    'x-consul-knownleader': 'false',
    'x-consul-lastcontact': '15000',
    'x-consul-query-backend': 'blocking-query',
    'x-consul-results-filtered-by-acls': 'true',
  })
  expect(head).toEqual({
    ...silent,
    index: 26,
    knownLeader: false,
    lastContactMs: 15_000,
    filteredByAcls: true,
    deniesByDefault: true,
  })
})

test('what is missing, or is not what it should be, says nothing', () => {
  expect(answerHead({})).toEqual(silent)
  for (const nonsense of ['', '-1', '1.5', '0x10', '1e3', ' 7', 'abc', '99999999999999999999'])
    expect(
      answerHead({ 'x-consul-index': nonsense, 'x-consul-lastcontact': nonsense, age: nonsense }),
    ).toEqual(silent)
  expect(answerHead({ 'x-consul-index': ['1', '2'], 'x-consul-knownleader': 'yes' })).toEqual(silent)
})

describe('Retry-After', () => {
  const now = Date.UTC(2030, 0, 1)
  test.each<[string | undefined, number]>([
    ['0', 0],
    ['3', 3000],
    ['300', 300_000],
    ['301', 300_000],
    ['99999999999', 300_000],
    ['Tue, 01 Jan 2030 00:00:07 GMT', 7000],
    ['Wed, 01 Jan 2031 00:00:00 GMT', 300_000],
    ['Mon, 31 Dec 2029 23:59:59 GMT', 0],
    [undefined, 0],
    ['', 0],
    ['soon', 0],
    ['-5', 0],
  ])('%j is %i ms', (value, ms) => {
    expect(retryAfterMs(value, now)).toBe(ms)
  })
})

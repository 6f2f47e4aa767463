import { describe, test } from 'vitest'
import { blocking } from './rules/blocking.test.support.js'
import { chains } from './rules/chains.test.support.js'
import { connect } from './rules/connect.test.support.js'
import { faults } from './rules/faults.test.support.js'
import { limits } from './rules/limits.test.support.js'
import { places } from './rules/places.test.support.js'
import { questions } from './rules/questions.test.support.js'
import { reading } from './rules/reading.test.support.js'
import { registering } from './rules/registering.test.support.js'
import { keep } from './rules/rule.test.support.js'
import { trust } from './rules/trust.test.support.js'

// What a correct client of Consul does, a row for each rule; `node-consul` names what that client, at 2.0.1, was
// measured to do instead.
const rules = [
  ...[...blocking, ...faults, ...trust, ...reading, ...questions, ...limits, ...places, ...chains],
  ...[...registering, ...connect],
]

describe.each(['blocking-query', 'streaming'] as const)('%s', (backend) => {
  const kept = rules.filter(({ only }) => only === undefined || only === backend)
  test.for(kept.map((rule) => [`${rule.rule}: ${rule.name}`, rule] as const))('%s', ([, rule]) =>
    keep(rule, backend),
  )
})

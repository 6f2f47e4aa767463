import { expect } from 'vitest'

import { register } from '../../../registration/register.js'

import type { RegisterOptions } from '../../../registration/options.js'

import type { Registration } from '../../../registration/registration.js'
import { FakeAgent, letGo } from '../../../test-support/fake-agent.test.support.js'
import { seededRandom } from '../../../testing/index.js'
import type { Rule } from './rule.test.support.js'
import type { World } from './world.test.support.js'

/** What is said of the instance besides. */
export type Given = Partial<RegisterOptions>

/** An instance `o1` of `orders`, port 8080, and the agent that it is registered with. */
export interface Scene {
  readonly world: World
  readonly agent: FakeAgent
  readonly registration: Registration
}

export function start(world: World, given: Given): Registration {
  return register({
    name: 'orders',
    port: 8080,
    id: 'o1',
    consul: { address: world.agent.address },
    clock: world.clock,
    random: seededRandom(1),
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    ...given,
  })
}

/** A row about an instance that is registered, and leaves at the end. */
export function registers(
  name: string,
  given: Given,
  prepare: (agent: FakeAgent) => void,
  sees: (scene: Scene) => Promise<void>,
  rule = '14',
): Rule {
  const act = async (world: World): Promise<void> => {
    const agent = FakeAgent.on(world.agent, 'o1')
    prepare(agent)
    const registration = start(world, given)
    try {
      await sees({ world, agent, registration })
    } finally {
      await letGo(registration, world.clock)
    }
  }
  return { rule, name, sees: [act] }
}

/** What is said to the agent first, in this order. */
export function says(...calls: readonly string[]): (scene: Scene) => Promise<void> {
  return async ({ world, agent }) => {
    await world.pass(() => agent.calls.length >= calls.length)
    expect(agent.calls.map(({ name, target }) => `${name} ${target}`.trim())).toEqual(calls)
  }
}

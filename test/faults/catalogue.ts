import { behaviours, type BehaviourName } from './behaviours.js'
import type { Setting } from './subjects/sdk-sender.js'

/** How a fault is brought about. */
export type Means =
  | { readonly by: 'nothing' }
  | { readonly by: 'behaviour'; readonly behaviour: BehaviourName }
  | { readonly by: 'kill' }
  | { readonly by: 'stop' }
  | { readonly by: 'packets' }

/** One fault, and on how many instances. */
export interface Fault {
  readonly name: string
  readonly means: Means
  /** What is done, in words. */
  readonly about: string
  readonly on: 'none' | 'one' | 'all'
  /** Where the length is part of the fault, in milliseconds. */
  readonly lastsMs?: number
  readonly setting: Setting
}

const ONE_EACH: readonly BehaviourName[] = [
  'accept-and-hang',
  'reset-on-accept',
  'reset-before-head',
  'reset-mid-body',
  'short-body',
  'garbage',
  'one-in-ten-reset',
  'one-in-three-503',
  'always-503',
  'always-500',
  'retry-after',
  'slow-head',
  'slow-body',
  'hang',
  'close-after-each',
  'close-silently',
]

/** In the order in which they are reported. The first is the measure for the others. */
export const faults: readonly Fault[] = [
  { name: 'no-fault', means: { by: 'nothing' }, about: 'nothing is done', on: 'none', setting: 'default' },
  onOne('refuse'),
  { ...onOne('refuse'), name: 'kill', means: { by: 'kill' }, about: 'SIGKILL, and started again at the end' },
  {
    ...onOne('refuse'),
    name: 'stop',
    means: { by: 'stop' },
    about: 'SIGSTOP, and SIGCONT after 5 s',
    lastsMs: 5000,
  },
  ...ONE_EACH.map(onOne),
  ...(['reset-mid-body', 'short-body'] as const).map(held),
  {
    ...onOne('always-500'),
    name: 'always-500-retried',
    about: 'the same, with 500 among `retry.statuses`',
    setting: 'retry-500',
  },
  {
    ...onOne('refuse'),
    name: 'half-open',
    means: { by: 'packets' },
    about: 'packets to and from its port are dropped',
  },
  ...(['refuse', 'reset-before-head', 'always-503'] as const).flatMap(onAll),
]

function onOne(behaviour: BehaviourName): Fault {
  const means = { by: 'behaviour', behaviour } as const
  return { name: behaviour, means, about: behaviours[behaviour], on: 'one', setting: 'default' }
}

function held(behaviour: BehaviourName): Fault {
  const fault = onOne(behaviour)
  return {
    ...fault,
    name: `${fault.name}-held`,
    about: `the same, with \`retry.holdBytes\` at 64 KiB`,
    setting: 'hold',
  }
}

function onAll(behaviour: BehaviourName): readonly Fault[] {
  const fault: Fault = {
    ...onOne(behaviour),
    name: `all-${behaviour}`,
    about: `all four: each ${behaviours[behaviour]}; they recover one after another, 1 s apart`,
    on: 'all',
  }
  return [
    fault,
    {
      ...fault,
      name: `${fault.name}-no-budget`,
      about: `the same, with no limit to retries but 2 attempts`,
      setting: 'no-budget',
    },
  ]
}

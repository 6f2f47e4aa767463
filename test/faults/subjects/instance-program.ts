import { argument, serve } from '../../bench/subjects/serve.js'
import type { BehaviourName } from '../behaviours.js'
import { Instance } from './instance.js'

export interface InstanceArgument {
  readonly port: number
}

/** Answered when it is so; with its counts to `seen`. */
export type InstanceOrder = { readonly behave: BehaviourName } | 'seen'

const instance = new Instance((argument() as InstanceArgument).port)
await instance.listen()

serve(async (order) => {
  const asked = order as InstanceOrder
  if (asked !== 'seen') await instance.behave(asked.behave)
  return instance.seen
})

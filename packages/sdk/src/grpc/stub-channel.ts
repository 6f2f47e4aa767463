import { Channel, type ClientOptions as StubOptions } from '@grpc/grpc-js'
import { partsIn } from './client-option.js'
import { LOAD_BALANCER } from './service-config.js'
import { wrongTarget } from './wrong-target.js'

type Factory = NonNullable<StubOptions['channelFactoryOverride']>

const OURS = new RegExp(`^${LOAD_BALANCER}:.`)

/**
 * Makes the channel of a stub, and throws where its target has another scheme than ours: grpc-js would ask a resolver of
 * its own, and the calls would go to the endpoints of the client all the same, under the name of the target. A target that
 * has ours is checked by the resolver. A bare `Channel` asks no factory: the load balancer looks there.
 *
 * @param next The caller's own.
 */
export function stubChannel(next: Factory | undefined): Factory {
  return next === undefined ? make : (target, ...rest) => next(checkedTarget(target, rest[1]), ...rest)
}

// One function for all: options that differ would keep channels from sharing connections.
const make: Factory = (target, credentials, options) =>
  new Channel(checkedTarget(target, options), credentials, options)

function checkedTarget(target: string, options: StubOptions): string {
  const parts = partsIn(options)
  // What is not text at all has words of grpc-js.
  if (parts === undefined || typeof target !== 'string' || OURS.test(target)) return target
  throw wrongTarget(`the channel to ${target}`, parts)
}

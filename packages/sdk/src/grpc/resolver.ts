import { experimental, type ChannelOptions } from '@grpc/grpc-js'
import type { ClientParts } from '../client.js'
import { FairleadError } from '../errors.js'
import { partsIn } from './client-option.js'
import { wrongTarget } from './wrong-target.js'

/**
 * What `fairlead:orders` stands for: the service of the client in the options of its channel. It tells grpc-js that there is
 * something, and no addresses: these stay with the client, where the load balancer finds them.
 */
export class ServiceResolver implements experimental.Resolver {
  static getDefaultAuthority({ path }: experimental.GrpcUri): string {
    return path
  }

  readonly #listener: experimental.ResolverListener
  #destroyed = false

  constructor(
    target: experimental.GrpcUri,
    listener: experimental.ResolverListener,
    options: ChannelOptions,
  ) {
    check(target, partsIn(options))
    this.#listener = listener
  }

  updateResolution(): void {
    this.#destroyed = false
    // Not in the turn of the call, as grpc-js has it.
    process.nextTick(() => {
      if (!this.#destroyed) this.#listener(experimental.statusOrFromValue([]), {}, null, '')
    })
  }

  destroy(): void {
    this.#destroyed = true
  }
}

function check(target: experimental.GrpcUri, parts: ClientParts | undefined): void {
  const text = experimental.uriToString(target)
  if (parts === undefined) {
    throw new FairleadError(
      'INVALID_OPTION',
      `the channel to ${text} has no client: give it the options that balancedBy(client) makes`,
    )
  }
  if (target.path === parts.service) return
  throw wrongTarget(`the channel to ${text}`, parts)
}

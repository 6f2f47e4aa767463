import type { Metadata } from '@grpc/grpc-js'
import type { PickedBy } from '../call/keyed-pick.js'

/** What a call is picked by: its metadata, read where a balancer asks for it. */
export class MetadataKey implements PickedBy {
  readonly hashKey = undefined
  readonly #metadata: Metadata

  constructor(metadata: Metadata) {
    this.#metadata = metadata
  }

  get headers(): PickedBy['headers'] {
    return this.#metadata.toHttp2Headers() as NonNullable<PickedBy['headers']>
  }
}

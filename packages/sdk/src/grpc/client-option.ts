import { experimental, type ChannelOptions } from '@grpc/grpc-js'
import type { ClientParts } from '../client.js'

// By its prefix grpc-js keeps it from subchannels, whose pool outlives clients.
const OPTION = `${experimental.SUBCHANNEL_ARGS_EXCLUDE_KEY_PREFIX}.fairlead_client`

/** As an option of a channel. */
export function clientOption(parts: ClientParts): ChannelOptions {
  return { [OPTION]: parts }
}

/** The client of a channel; undefined: it has none. */
export function partsIn(options: ChannelOptions): ClientParts | undefined {
  return options[OPTION] as ClientParts | undefined
}

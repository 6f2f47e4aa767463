import type { experimental } from '@grpc/grpc-js'

// What grpc-js exports as a value of another type only.

export type Subchannel = ReturnType<experimental.SubchannelInterface['getRealSubchannel']>

/** One attempt of a call, on the wire. */
export type SubchannelCall = ReturnType<Subchannel['createCall']>

/** Hears of what an attempt brings. */
export type AttemptListener = Parameters<Subchannel['createCall']>[3]

/** How an attempt ended; with `rstCode` where its stream was reset. */
export type AttemptStatus = Parameters<AttemptListener['onReceiveStatus']>[0]

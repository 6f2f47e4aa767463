import { connectivityState as State, type experimental } from '@grpc/grpc-js'
import type { Attempt } from './attempt.js'
import type { Subchannel } from './types.js'

/**
 * The subchannel of one pick, which tells its attempt when the call is sent, and what becomes of it: a pick of grpc-js hears
 * of no first answer otherwise. All else is that of the real one, by its prototype, whatever a release of grpc-js adds.
 */
export function pickedSubchannel(
  subchannel: experimental.SubchannelInterface,
  attempt: Attempt,
): experimental.SubchannelInterface {
  return Object.assign(Object.create(subchannel) as experimental.SubchannelInterface, {
    // Asked once the credentials of the call are there, and right before it is sent: what is not ready is picked anew.
    getConnectivityState: () => {
      const state = subchannel.getConnectivityState()
      if (state === State.READY && attempt.reserve()) return State.READY
      attempt.lapse()
      return state === State.READY ? State.TRANSIENT_FAILURE : state
    },
    getRealSubchannel: () => {
      const real = subchannel.getRealSubchannel()
      const createCall: Subchannel['createCall'] = (...call) => attempt.start(real, ...call)
      return Object.assign(Object.create(real) as Subchannel, { createCall })
    },
  })
}

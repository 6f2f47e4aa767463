import { connectivityState as State, type experimental } from '@grpc/grpc-js'
import type { Attempt } from './attempt.js'
import type { Subchannel } from './types.js'

/** Makes the subchannel of one pick. */
export type PickSubchannel = (attempt: Attempt) => experimental.SubchannelInterface

/**
 * The subchannels of picks, which tell their attempts when the call is sent, and what becomes of it: a pick of grpc-js hears
 * of no first answer otherwise. All else is that of the real one, by its prototype, whatever a release of grpc-js adds; as
 * classes, since an object with a prototype of its own for each call took 3% of a call.
 */
export function subchannelsOf(subchannel: experimental.SubchannelInterface): PickSubchannel {
  const real = subchannel.getRealSubchannel()

  class Real {
    readonly #attempt: Attempt

    constructor(attempt: Attempt) {
      this.#attempt = attempt
    }

    createCall(...call: Parameters<Subchannel['createCall']>): ReturnType<Subchannel['createCall']> {
      return this.#attempt.start(real, ...call)
    }
  }
  Object.setPrototypeOf(Real.prototype, real)

  class Picked {
    readonly #attempt: Attempt

    constructor(attempt: Attempt) {
      this.#attempt = attempt
    }

    // Asked once the credentials of the call are there, and right before it is sent: what is not ready is picked anew.
    getConnectivityState(): State {
      const state = subchannel.getConnectivityState()
      if (state === State.READY && this.#attempt.reserve()) return State.READY
      this.#attempt.lapse()
      return state === State.READY ? State.TRANSIENT_FAILURE : state
    }

    getRealSubchannel(): Subchannel {
      return new Real(this.#attempt) as unknown as Subchannel
    }
  }
  Object.setPrototypeOf(Picked.prototype, subchannel)

  return (attempt) => new Picked(attempt) as unknown as experimental.SubchannelInterface
}

import { createClient, systemClock, type Clock, type Resolver } from '@fairlead/sdk'
import { instanceAt } from '@fairlead/sdk/testing'
import { say } from './say.js'

// A program whose sets change without pause and are saved each time, to be killed in the middle of it:
// saving-program.js <folder> <services>.

const [directory = '', services = '1'] = process.argv.slice(2)

// A set is written once a second; a hundred times as fast, the disk is never idle.
const FASTER = 100

const clock: Clock = {
  now: () => systemClock.now() * FASTER,
  unixTime: () => systemClock.unixTime(),
  setTimer: (callback, delayMs) => systemClock.setTimer(callback, delayMs / FASTER),
  clearTimer: (timer) => systemClock.clearTimer(timer),
}

const resolver: Resolver = {
  name: 'a changing list',
  async *watch(service, signal) {
    for (let round = 0; !signal.aborted; round++) {
      // Of about a hundred kilobytes, so that writing takes several steps.
      const instances = Array.from({ length: 500 }, (_, index) =>
        instanceAt(`http://10.0.${index >> 8}.${index & 255}:80`, {
          meta: { service, round: `${process.pid}.${round}` },
        }),
      )
      yield { kind: 'snapshot', instances, excluded: [] }
      await new Promise<void>((resolve) => clock.setTimer(resolve, 1000))
    }
  },
}

for (let index = 0; index < Number(services); index++)
  createClient(`orders-${index}`, { resolver, snapshot: { directory }, clock, idleMs: Infinity })
say(`saving ${process.pid}`)

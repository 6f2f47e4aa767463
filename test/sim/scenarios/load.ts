import { exponential } from '../draws.js'
import { alike, steady, usual, type Scenario, type Span, type Stage } from '../scenario.js'

// The machine has as much again as is allocated, and lends it while its neighbours are quiet.
const SPARE_CORES = 2
const QUIET_MS = 10_000
const NOISY_MS = 5000

/** Neighbours that come and go on each machine, and take one or both of the cores above what is allocated. */
function neighbours({ timeline, servers, random }: Stage): void {
  for (const server of servers) {
    const { cores } = server.machine
    const quiet = (): void => {
      server.cores = cores + SPARE_CORES
      timeline.after(exponential(QUIET_MS, random), noisy)
    }
    const noisy = (): void => {
      server.cores = cores + (random.next() < 0.5 ? 0 : 1)
      timeline.after(exponential(NOISY_MS, random), quiet)
    }
    if (random.next() < QUIET_MS / (QUIET_MS + NOISY_MS)) quiet()
    else noisy()
  }
}

export const noisyNeighbours: Scenario = {
  name: 'noisy-neighbours',
  title: 'Noisy neighbours',
  about:
    'Every server may use two cores more than its own two while its neighbours on the machine are quiet; a third of the time, 5 s on average, they take one or both of these. Load 1.1 of what is allocated, so that a server with its own cores only cannot do its even share, while there is enough elsewhere. This is the setting of Prequal.',
  spans: steady,
  machines: alike(usual),
  load: () => 1.1,
  unfold: neighbours,
}

export const bursts: Scenario = {
  name: 'bursts',
  title: 'Bursts of all clients at once',
  about:
    'Load 0.4, and every 5 s half a second of 1.6, from all clients at the same moment. Queues grow by 60 requests a server in a burst, if they grow evenly.',
  spans: steady,
  machines: alike(usual),
  load: (atS) => (atS % 5 < 0.5 ? 1.6 : 0.4),
}

const FIRST_STEP_S = 15
const STEP_S = 4
const STEPS = Array.from({ length: 11 }, (_, step) => 0.5 + step / 10)

/** Of each step but the first second, which still has the queues of the step before. */
const stepSpans: readonly Span[] = STEPS.map((load, step) => ({
  label: load.toFixed(1),
  fromS: FIRST_STEP_S + step * STEP_S + 1,
  toS: FIRST_STEP_S + (step + 1) * STEP_S,
}))

function rising(atS: number): number {
  const step = Math.min(Math.floor((atS - FIRST_STEP_S) / STEP_S), STEPS.length - 1)
  return STEPS[Math.max(step, 0)] ?? 1
}

export const ramp: Scenario = {
  name: 'ramp',
  title: 'Rising load, machines to themselves',
  about:
    'The load rises from 0.5 to 1.5 of what the servers can do, by a tenth every 4 s. Above 1 no policy can answer everything: what is left to see is which gets there with short queues.',
  spans: stepSpans,
  machines: alike(usual),
  load: rising,
}

export const noisyRamp: Scenario = {
  name: 'ramp-noisy',
  title: 'Rising load, noisy neighbours',
  about:
    'The same, with the machines and neighbours of the noisy neighbours above: 1 is what is allocated, and 1.75 what there is on average. The paper on Prequal (arXiv 2312.10172) raises the load in the same way. How long a policy holds out above 1 shows how well it finds what is spare.',
  spans: stepSpans,
  machines: alike(usual),
  load: rising,
  unfold: neighbours,
}

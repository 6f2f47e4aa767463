import { alike, some, steady, usual, type Scenario } from '../scenario.js'
import type { Machine } from '../server.js'

export const coldStart: Scenario = {
  name: 'cold-start',
  title: 'Cold start',
  about:
    'All servers and all clients are new. The first request of a server takes three times as long, the 200th and later ones no longer than they should. Load 0.3. Measured from the first request on.',
  spans: [{ label: '', fromS: 0, toS: 20 }],
  machines: alike({ ...usual, coldFactor: 3 }),
  load: () => 0.3,
}

export const oneSlow: Scenario = {
  name: 'one-slow',
  title: 'One slow server',
  about:
    'One server of a hundred takes ten times as long for everything, and can do a tenth of the requests. Load 0.7. A policy that sends it its even share sends it seven times what it can do.',
  spans: steady,
  machines: alike(usual),
  load: () => 0.7,
  unfold({ servers }) {
    for (const server of some(servers, 0.01)) server.slowdown = 10
  },
}

const SIZES = [1, 2, 4]

const ofSizes =
  (weightOf: (cores: number) => number) =>
  (count: number): readonly Machine[] =>
    Array.from({ length: count }, (_, index) => {
      const cores = SIZES[index % SIZES.length] ?? 1
      return { ...usual, cores, weight: weightOf(cores) }
    })

export const sizesKnown: Scenario = {
  name: 'sizes-known',
  title: 'Machines of three sizes, weights registered',
  about:
    'A third of the machines has one core, a third two, a third four, and the weights in the registry say so. Load 0.7.',
  spans: steady,
  machines: ofSizes((cores) => cores),
  load: () => 0.7,
}

export const sizesUnknown: Scenario = {
  name: 'sizes-unknown',
  title: 'Machines of three sizes, weights not registered',
  about:
    'As before, but the registry gives every machine the same weight. An even share is 1.6 times what a machine with one core can do: a policy has to find out by itself.',
  spans: steady,
  machines: ofSizes(() => 1),
  load: () => 0.7,
}

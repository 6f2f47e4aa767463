import { alike, some, steady, usual, type Scenario } from '../scenario.js'

// When things begin to go wrong, in milliseconds: after five seconds that are counted and go well.
const WRONG_AT = 20_000

export const failingFast: Scenario = {
  name: 'failing-fast',
  title: 'One server that fails fast',
  about:
    'From second 20 on one server of a hundred answers every request with 500 within a millisecond. A response is a response: it is not tried again. Load 0.7. A policy that takes it for a quick or an idle server sends it more than its share, which is 1%.',
  spans: steady,
  machines: alike(usual),
  load: () => 0.7,
  unfold({ timeline, servers }) {
    timeline.after(WRONG_AT, () => {
      for (const server of some(servers, 0.01)) server.state = 'failing'
    })
  },
}

export const temporaryFailure: Scenario = {
  name: 'temporary-failure',
  title: 'A tenth of the servers away for ten seconds',
  about:
    'From second 20 to 30 a tenth of the servers refuses connections, and what they had is lost. The registry does not notice. Load 0.7. Refused requests are tried elsewhere. Those that fail stand next to each other in the list, as instances of one rack or node do.',
  spans: steady,
  machines: alike(usual),
  load: () => 0.7,
  unfold({ timeline, servers }) {
    timeline.after(WRONG_AT, () => {
      for (const server of some(servers, 0.1)) server.crash()
    })
    timeline.after(WRONG_AT + 10_000, () => {
      for (const server of some(servers, 0.1)) server.state = 'up'
    })
  },
}

export const permanentFailure: Scenario = {
  name: 'permanent-failure',
  title: 'A tenth of the servers gone permanently',
  about:
    'At second 20 a tenth of the servers dies, and the registry deregisters them 10 s later, as with a check every ten seconds. Load 0.7 before, 0.78 of what is left after.',
  spans: steady,
  machines: alike(usual),
  load: () => 0.7,
  unfold({ timeline, servers, fleet }) {
    const dying = some(servers, 0.1)
    timeline.after(WRONG_AT, () => {
      for (const server of dying) server.crash()
    })
    timeline.after(WRONG_AT + 10_000, () => fleet.replace(dying, []))
  },
}

const BATCHES = 20
const BATCH_MS = 1000
const DRAIN_MS = 1000

export const rollingDeploy: Scenario = {
  name: 'rolling-deploy',
  title: 'Rolling deploy',
  about:
    'From second 15 to 35 every server is replaced, a twentieth at a time. A server that leaves is deregistered, serves for another second and then refuses connections; clients are notified within 200 ms. A new one is cold: its first request takes three times as long, the 200th no longer than it should. Load 0.5.',
  spans: steady,
  machines: alike(usual),
  load: () => 0.5,
  unfold({ timeline, servers, fleet }) {
    for (let batch = 0; batch < BATCHES; batch++) {
      timeline.after(15_000 + batch * BATCH_MS, () => {
        const leaving = servers.filter((_, place) => place % BATCHES === batch)
        const joining = leaving.map(({ machine }) => fleet.start({ ...machine, coldFactor: 3 }))
        fleet.replace(leaving, joining)
        timeline.after(DRAIN_MS, () => {
          for (const server of leaving) server.state = 'down'
        })
      })
    }
  },
}

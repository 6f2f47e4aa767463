import type { SimServer } from '../server.js'

/** Something that goes wrong with some servers, and is over some time later. */
export interface Fault {
  readonly name: string
  /** For people. */
  readonly title: string
  /** The servers that it strikes. */
  readonly strikes: (servers: readonly SimServer[]) => readonly SimServer[]
  readonly begin: (server: SimServer) => void
  readonly end: (server: SimServer) => void
}

const ZONES = 3

const one = (servers: readonly SimServer[]): readonly SimServer[] => servers.slice(0, 1)
const zone = (servers: readonly SimServer[]): readonly SimServer[] =>
  servers.slice(0, Math.round(servers.length / ZONES))
const all = (servers: readonly SimServer[]): readonly SimServer[] => servers

const crash = (server: SimServer): void => server.crash()
const failing = (status: number, every: number) => (server: SimServer) => {
  server.error = { status, every }
  server.state = 'failing'
}
const silent = (server: SimServer): void => {
  server.state = 'silent'
}
const up = (server: SimServer): void => {
  server.state = 'up'
}

/** In the order in which they are reported. */
export const faults: readonly Fault[] = [
  { name: 'dead', title: 'one refuses connections', strikes: one, begin: crash, end: up },
  { name: 'silent', title: 'one takes requests and never answers', strikes: one, begin: silent, end: up },
  {
    name: 'slow',
    title: 'one takes ten times as long',
    strikes: one,
    begin: (server) => (server.slowdown = 10),
    end: (server) => (server.slowdown = 1),
  },
  {
    name: 'flaky',
    title: 'one answers every third request with 503',
    strikes: one,
    begin: failing(503, 3),
    end: up,
  },
  { name: 'errors', title: 'one answers 500', strikes: one, begin: failing(500, 1), end: up },
  { name: 'zone', title: 'a third of all refuses connections', strikes: zone, begin: crash, end: up },
  { name: 'all-503', title: 'all answer 503', strikes: all, begin: failing(503, 1), end: up },
  { name: 'all-dead', title: 'all refuse connections', strikes: all, begin: crash, end: up },
  {
    name: 'all-flaky',
    title: 'all answer every third request with 503',
    strikes: all,
    begin: failing(503, 3),
    end: up,
  },
  {
    name: 'none',
    title: 'nothing goes wrong',
    strikes: one,
    begin: () => undefined,
    end: () => undefined,
  },
]

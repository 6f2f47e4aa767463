import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Pool } from 'undici'
import { expect, inject, onTestFinished, test } from 'vitest'
import { built, Child } from '../support/child.js'
import { TestService } from '../support/consul/test-service.js'
import { startHttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'

const agent = inject('consul').address

// Not less: loading its modules takes a hundred at once.
const LIMIT = 256

interface Line {
  readonly level: number
  readonly code?: string
  readonly msg: string
}

/** A connection of an application. */
async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

test('a sidecar serves as many as it has descriptors for, turns others away and says so once a second', async () => {
  await using service = new TestService(agent)
  await using server = await startHttpServer((_, response) => response.end('ok'))
  await service.add('a', { port: server.port })
  // As a process of its own: the limit is one of a process.
  await using child = new Child('bash', [
    '-c',
    `ulimit -n ${LIMIT} && exec "$0" "$@"`,
    process.execPath,
    built('packages/sidecar/dist/main.js'),
    ...['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--consul', agent, '--service', service.name],
  ])
  const { address, admin } = JSON.parse(await child.line(/"address":/)) as { address: string; admin: string }
  await eventually(async () => (await fetch(`${admin}/readyz`)).status === 200, { what: 'readiness' })
  const lines = (): Line[] => child.lines.map((line) => JSON.parse(line) as Line)
  const exhausted = (): Line[] => lines().filter(({ level, code }) => level === 50 && code === 'EMFILE')

  const port = Number(new URL(address).port)
  const startedAt = performance.now()
  const sockets = await Promise.all(Array.from({ length: LIMIT + 100 }, () => open(port)))
  await eventually(() => exhausted().length > 0, { what: 'its log line' })
  const [, taken] =
    /^(\d+) connections of .* half of the descriptors allow; .*ulimit -n/.exec(exhausted()[0]?.msg ?? '') ??
    []
  expect(Number(taken)).toBeGreaterThan(LIMIT / 4)

  const accepted = await eventually(
    () => {
      const left = sockets.filter(({ destroyed, readableEnded }) => !destroyed && !readableEnded)
      return left.length === Number(taken) && left
    },
    { what: 'the others turned away' },
  )
  let answers = ''
  for (const socket of accepted) {
    socket.on('data', (chunk) => (answers += chunk.toString()))
    socket.write(`GET / HTTP/1.1\r\nHost: ${service.name}\r\n\r\n`)
  }
  const statuses = (): string[] => [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = '']) => status)
  await eventually(() => statuses().length === accepted.length, { what: 'an answer to each' })
  // At once, and each on a connection of its own to the instance.
  expect(new Set(statuses())).toEqual(new Set(['200']))

  for (const socket of sockets) socket.destroy()
  const pool = new Pool(address)
  onTestFinished(() => pool.destroy())
  await eventually(
    async () => {
      const response = await pool.request({ path: '/', method: 'GET', headers: { host: service.name } })
      return (await response.body.text()) === 'ok'
    },
    { what: 'service again' },
  )
  const { services } = (await (await fetch(`${admin}/endpoints`)).json()) as {
    services: { endpoints: object[] }[]
  }
  expect(services[0]?.endpoints).toMatchObject([{ availability: { state: 'available' }, failures: 0 }])
  expect(exhausted().length).toBeLessThanOrEqual(1 + (performance.now() - startedAt) / 1000)
  expect(child.running).toBe(true)
  child.signal('SIGTERM')
  expect(await child.ended).toEqual({ code: 0, signal: null })
})

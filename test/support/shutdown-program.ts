import { gracefulShutdown, register } from '@fairlead/sdk'
import { createInstanceServer, listen } from './instance-server.js'
import { say } from './say.js'

// Servers that end gracefully, each as it is told: shutdown-program.js <options as JSON>.

/** One server of the program. */
export interface ShutdownProgramServer {
  /** How long it takes for an answer. */
  readonly delayMs?: number
  /** Of `gracefulShutdown`. */
  readonly shutdown?: object
  /** Of `register`, where it is registered. */
  readonly registration?: object
}

export interface ShutdownProgramOptions {
  readonly servers: readonly ShutdownProgramServer[]
  /** Adds another listener for the signal. */
  readonly listener?: boolean
}

const { servers, listener = false } = JSON.parse(process.argv[2] ?? '') as ShutdownProgramOptions
if (listener) process.on('SIGTERM', () => say('heard'))
for (const [index, { delayMs = 0, shutdown, registration }] of servers.entries()) {
  const server = createInstanceServer(String(index), delayMs)
  listen(server, 0, (port) => {
    const registered = registration === undefined ? undefined : registerAs(port, registration)
    gracefulShutdown(server, {
      ...shutdown,
      registration: registered,
      onSignal: () => say(`signal ${index}`),
      onDrained: (report) => say(`drained ${index} ${JSON.stringify(report)}`),
    })
  })
}

function registerAs(port: number, options: object): ReturnType<typeof register> {
  const registration = register({ name: 'orders', port, address: '127.0.0.1', ...options })
  // It may end before.
  registration.ready().then(
    () => say('registered'),
    () => undefined,
  )
  return registration
}

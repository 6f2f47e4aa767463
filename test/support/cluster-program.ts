import cluster from 'node:cluster'
import { gracefulShutdown, register } from '@fairlead/sdk'
import { createInstanceServer, listen } from './instance-server.js'
import { say } from './say.js'

// Workers of one port as node:cluster and PM2 have them, each registered as its users would write it:
// cluster-program.js <workers> <service> <agent>. SIGUSR2 has the first of them leave; SIGTERM ends the rest.

const [count = '2', service = '', address = ''] = process.argv.slice(2)

if (cluster.isPrimary) {
  const workers = Array.from({ length: Number(count) }, () => cluster.fork())
  process.on('SIGUSR2', () => workers[0]?.process.kill('SIGTERM'))
  process.on('SIGTERM', () => {
    for (const worker of workers) worker.process.kill('SIGTERM')
  })
} else {
  const server = createInstanceServer(`worker ${cluster.worker?.id ?? 0}`, 0)
  // The port of the first one is that of all.
  listen(server, 0, (port) => {
    const registration = register({ name: service, port, address: '127.0.0.1', consul: { address } })
    gracefulShutdown(server, {
      registration,
      onDrained: () => {
        say(`left ${registration.id}`)
        // The channel to the primary would keep it.
        cluster.worker?.disconnect()
      },
    })
    void registration.ready().then(() => say(`registered ${registration.id}`))
  })
}

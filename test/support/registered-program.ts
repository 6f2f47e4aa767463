import { gracefulShutdown, register } from '@fairlead/sdk'
import { createInstanceServer, listen } from './instance-server.js'
import { say } from './say.js'

// An instance as its users would write it, that registers itself and ends by SIGTERM:
// registered-program.js <name> <port> <delay in ms> <service> <agent> <options of register as JSON>.

const [name = '', port = '0', delayMs = '0', service = '', address = '', more = '{}'] = process.argv.slice(2)

const server = createInstanceServer(name, Number(delayMs))
listen(server, Number(port), (actual) => {
  const registration = register({
    name: service,
    port: actual,
    address: '127.0.0.1',
    consul: { address },
    ...(JSON.parse(more) as object),
  })
  gracefulShutdown(server, {
    registration,
    onDrained: ({ drain }) => say(`drained ${JSON.stringify(drain)}`),
  })
  void registration.ready().then(() => say(`registered ${registration.id}`))
})

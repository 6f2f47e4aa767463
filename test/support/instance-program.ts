import { createInstanceServer, listen } from './instance-server.js'

// An instance as a process of its own, to be killed: instance-program.js <name> <port> <delay in ms>.

const [name = '', port = '0', delayMs = '0'] = process.argv.slice(2)

listen(createInstanceServer(name, Number(delayMs)), Number(port), () => undefined)

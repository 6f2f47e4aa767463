import { startConsul } from './start-consul.js'

// A program that starts a Consul, says where, and never lets go: for the test that kills it.
const consul = await startConsul({ kinds: ['container', 'process'] })
console.log(consul.address)
setInterval(() => undefined, 60_000)

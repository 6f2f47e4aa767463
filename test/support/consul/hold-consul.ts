import { startCluster } from './cluster.js'
import { startConsul } from './start-consul.js'

// A program that starts a Consul, or a cluster, says where, and never lets go: for the test that kills it.
const addresses =
  process.argv[2] === 'cluster'
    ? (await startCluster()).agents.map((agent) => agent.address)
    : [(await startConsul({ kinds: ['container', 'process'] })).address]
console.log(addresses.join(' '))
setInterval(() => undefined, 60_000)

import { createProxyServer } from 'http-proxy-3'
import { Agent, createServer } from 'node:http'
import { servePort, type PeerArgument } from './peer.js'
import { argument } from './serve.js'

// It does not balance, so it is given a target in turn; with an agent, since it would connect anew each time.
const { origins } = argument() as PeerArgument
const proxy = createProxyServer({ agent: new Agent({ keepAlive: true }) })
let next = 0

const server = createServer((request, response) => {
  const target = origins[next++ % origins.length]
  if (target === undefined) throw new Error('there is no upstream')
  proxy.web(request, response, { target }, (error) => response.destroy(error))
})
await servePort(server)

import replyFrom from '@fastify/reply-from'
import fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import type { PeerArgument } from './peer.js'
import { argument, serve } from './serve.js'

// As its README has it, over several upstreams: undici's BalancedPool underneath.
const { origins } = argument() as PeerArgument
const app = fastify()
await app.register(replyFrom, { base: [...origins] })
app.get('/*', (request, reply) => reply.from(request.url))
await app.listen({ port: 0, host: '127.0.0.1' })
const { port } = app.server.address() as AddressInfo

serve(() => port)

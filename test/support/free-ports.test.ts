import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { expect, test } from 'vitest'
import { freePorts } from './free-ports.js'

test('ports are all different and can be bound at once', async () => {
  // On an address that no other test draws ports of.
  const ports = await freePorts(20, ['127.9.9.1'])
  expect(new Set(ports).size).toBe(20)
  await close(await listen(ports.map((port) => [port, '127.9.9.1'])))
})

test('a port is free on every host that is named', async () => {
  const hosts = ['127.9.9.2', '127.9.9.3']
  // So many are taken on the second host alone that some of what is free on the first would be among them.
  const taken = await listen(Array<[number, string]>(500).fill([0, '127.9.9.3']))
  const ports = await freePorts(200, hosts)
  const servers = await listen(hosts.flatMap((host) => ports.map((port): [number, string] => [port, host])))
  await close([...taken, ...servers])
})

test('a host that this machine does not have is an error that says so', async () => {
  // TEST-NET-1 of RFC 5737: no machine's address.
  await expect(freePorts(1, ['192.0.2.1'])).rejects.toThrow('cannot listen on 192.0.2.1')
})

async function listen(places: readonly [port: number, host: string][]): Promise<Server[]> {
  const servers = places.map(([port, host]) => createServer().listen(port, host))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  return servers
}

async function close(servers: readonly Server[]): Promise<void> {
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
}

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** As much of a Consul agent as a sidecar asks: what is measured is the proxy, not discovery. */
export interface ConsulStandIn extends AsyncDisposable {
  readonly address: string
}

/** Knows one service, which never changes: the second question, a blocking one, is held until the end. */
export async function startConsulStandIn(
  service: string,
  origins: readonly string[],
): Promise<ConsulStandIn> {
  const answer = JSON.stringify(origins.map((origin, index) => entryOf(service, origin, index)))
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://consul')
    const blocking = Number(url.searchParams.get('index') ?? 0) > 0
    if (url.pathname !== `/v1/health/service/${service}`) response.writeHead(404).end()
    else if (!blocking) {
      response.writeHead(200, { 'Content-Type': 'application/json', 'X-Consul-Index': '1' }).end(answer)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose](): Promise<void> {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function entryOf(service: string, origin: string, index: number): object {
  const { hostname, port } = new URL(origin)
  const id = `${service}-${index}`
  return {
    Node: { Node: 'bench', Address: hostname, Datacenter: 'dc1' },
    Service: {
      ID: id,
      Service: service,
      Address: hostname,
      Port: Number(port),
      Tags: [],
      Meta: {},
      Weights: { Passing: 1, Warning: 1 },
    },
    Checks: [{ CheckID: `service:${id}`, ServiceID: id, Status: 'passing' }],
  }
}

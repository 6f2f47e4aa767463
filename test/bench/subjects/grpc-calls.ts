import type { BalancerName } from '@fairlead/sdk'
import type { ChannelOptions } from '@grpc/grpc-js'
import type { Call, Prepare } from './client-calls.js'

export type GrpcCallName = 'grpc-js, round_robin' | 'grpc-js through us' | 'grpc-js through us, round_robin'

/** The ways to make a unary call of gRPC to four instances. */
export const grpcCalls: Readonly<Record<GrpcCallName, Prepare>> = {
  'grpc-js, round_robin': plain,
  'grpc-js through us': (origins) => fairlead(origins, 'peak_ewma'),
  'grpc-js through us, round_robin': (origins) => fairlead(origins, 'round_robin'),
}

/** What there is without Fairlead: no health but that of connections, no circuit, no accounting. */
function plain(origins: readonly string[]): Promise<Call> {
  const config = { loadBalancingConfig: [{ round_robin: {} }] }
  const hosts = origins.map((origin) => new URL(origin).host)
  return unary(`ipv4:${hosts.join(',')}`, { 'grpc.service_config': JSON.stringify(config) })
}

async function fairlead(origins: readonly string[], balancer: BalancerName): Promise<Call> {
  const { createClient, fixedResolver } = await import('@fairlead/sdk')
  const { balancedBy } = await import('@fairlead/sdk/grpc')
  const client = createClient('bench', { resolver: fixedResolver(origins), balancer })
  await client.ready()
  return unary('fairlead:bench', balancedBy(client))
}

async function unary(target: string, options: ChannelOptions): Promise<Call> {
  const { Client, credentials } = await import('@grpc/grpc-js')
  const stub = new Client(target, credentials.createInsecure(), options)
  return () =>
    new Promise((resolve, reject) => {
      stub.makeUnaryRequest('/orders.v1.Orders/Get', pack, unpack, '42', (error, text) => {
        if (error === null) resolve(text ?? '')
        else reject(error)
      })
    })
}

const pack = (text: string): Buffer => Buffer.from(text)
const unpack = (bytes: Buffer): string => bytes.toString()

import { Agent, request as httpRequest } from 'node:http'
import type { BalancerName, Client } from '@fairlead/sdk'
import type { Dispatcher } from 'undici'
import { grpcCalls, type GrpcCallName } from './grpc-calls.js'

/** One request to the end of its body, which it returns; not 200 is an error. */
export type Call = () => Promise<string>

export const PATH = '/v1/orders/42'

export type HttpCallName =
  | 'hand-written'
  | 'client.request'
  | 'client.request, round_robin'
  | 'BalancedPool'
  | 'global fetch'
  | 'client.fetch'
  | 'node:http'

export type CallName = HttpCallName | GrpcCallName

export type Prepare = (origins: readonly string[]) => Call | Promise<Call>

/**
 * The ways to call four instances of a service, by the name they have in the report.
 * Each loads its own libraries: undici, once loaded, changes what the global fetch sends with.
 */
export const httpCalls: Readonly<Record<HttpCallName, Prepare>> = {
  'hand-written': handWritten,
  'client.request': (origins) => fairleadRequest(origins, 'peak_ewma'),
  'client.request, round_robin': (origins) => fairleadRequest(origins, 'round_robin'),
  BalancedPool: balancedPool,
  'global fetch': globalFetch,
  'client.fetch': fairleadFetch,
  'node:http': nodeHttp,
}

export const calls: Readonly<Record<CallName, Prepare>> = { ...httpCalls, ...grpcCalls }

/** What a programmer would write without Fairlead: no health, no retry, no deadline, no circuit. */
async function handWritten(origins: readonly string[]): Promise<Call> {
  const { Pool } = await import('undici')
  const pools = origins.map((origin) => new Pool(origin))
  let next = 0
  return () => {
    const pool = pools[next++ % pools.length]
    if (pool === undefined) throw new Error('there is no pool')
    return textOf(pool.request({ method: 'GET', path: PATH }))
  }
}

/** All defaults: latency-aware balancing, circuits, retry budget, deadline. */
async function fairleadRequest(origins: readonly string[], balancer: BalancerName): Promise<Call> {
  const client = await fairlead(origins, balancer)
  return () => textOf(client.request({ path: PATH }))
}

async function balancedPool(origins: readonly string[]): Promise<Call> {
  const { BalancedPool } = await import('undici')
  const pool = new BalancedPool([...origins])
  return () => textOf(pool.request({ method: 'GET', path: PATH }))
}

function globalFetch(origins: readonly string[]): Call {
  const urls = origins.map((origin) => `${origin}${PATH}`)
  let next = 0
  return () => bodyOf(fetch(urls[next++ % urls.length] ?? ''))
}

async function fairleadFetch(origins: readonly string[]): Promise<Call> {
  const client = await fairlead(origins, 'peak_ewma')
  return () => bodyOf(client.fetch(PATH))
}

function nodeHttp(origins: readonly string[]): Call {
  const agent = new Agent({ keepAlive: true })
  const ports = origins.map((origin) => Number(new URL(origin).port))
  let next = 0
  return () =>
    new Promise((resolve, reject) => {
      const port = ports[next++ % ports.length]
      const request = httpRequest({ agent, host: '127.0.0.1', port, path: PATH }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (text += chunk))
        response.on('error', reject)
        response.on('end', () => {
          if (response.statusCode === 200) resolve(text)
          else reject(new Error(`status ${response.statusCode ?? 'unknown'}`))
        })
      })
      request.on('error', reject)
      request.end()
    })
}

async function fairlead(origins: readonly string[], balancer: BalancerName): Promise<Client> {
  const { createClient, fixedResolver } = await import('@fairlead/sdk')
  const client = createClient('bench', { resolver: fixedResolver(origins), balancer })
  await client.ready()
  return client
}

async function textOf(response: Promise<Dispatcher.ResponseData>): Promise<string> {
  const { statusCode, body } = await response
  if (statusCode !== 200) throw new Error(`status ${statusCode}`)
  return body.text()
}

async function bodyOf(response: Promise<Response>): Promise<string> {
  const answer = await response
  if (answer.status !== 200) throw new Error(`status ${answer.status}`)
  return answer.text()
}

import { startConsul } from '../../support/consul/start-consul.js'
import { TestService } from '../../support/consul/test-service.js'
import { monotonicMs } from '../subjects/event-loop.js'
import { Subject } from './rig.js'
import { percentile, type Topic } from './topic.js'

const SERVICES = 10
const PORT = 8080

/** (a) The same with Consul itself in it: from the registration that is sent to the picker. */
export function realConsul(instances: number): Topic {
  return {
    title: `A change in a real Consul, ${instances} instances: from the registration sent to the picker`,
    figures: { p50: { unit: 'ms' }, p99: { unit: 'ms' } },
    async measure(surroundings) {
      await using consul = await startConsul()
      const services = Array.from({ length: SERVICES }, () => new TestService(consul.address))
      const subject = new Subject(surroundings, { address: consul.address })
      try {
        for (const service of services)
          for (let index = 0; index < instances; index++) await service.add(`${index}`, registration(1))
        await subject.open(services.map(({ name }) => name))
        const delays = await measureDelays(services, subject, surroundings.quick ? 5 : 30)
        return { p50: percentile(delays, 0.5), p99: percentile(delays, 0.99) }
      } finally {
        await subject.stop()
        for (const service of services) await service[Symbol.asyncDispose]()
      }
    },
  }
}

async function measureDelays(
  services: readonly TestService[],
  subject: Subject,
  rounds: number,
): Promise<readonly number[]> {
  const delays: number[] = []
  for (let version = 2; version < rounds + 2; version++) {
    for (const service of services) {
      const sentAt = monotonicMs()
      await service.add('0', registration(version))
      delays.push((await subject.arrival(service.name, version)) - sentAt)
    }
  }
  return delays
}

function registration(weight: number): { readonly port: number; readonly weights: Weights } {
  return { port: PORT, weights: { passing: weight, warning: 1 } }
}

interface Weights {
  readonly passing: number
  readonly warning: number
}

import type { Balancer, Candidate, Layer, Picker, Random, WeightOf } from '@fairlead/sdk'

/** Sends a part of the requests, such as 0.05, to the instances with a tag, and the rest to all others. */
export function canary(tag: string, part: number): Layer {
  return (next: Balancer): Balancer =>
    <E extends Candidate>(endpoints: readonly E[], random: Random, weightOf: WeightOf): Picker<E> => {
      const among = (tagged: boolean): readonly E[] =>
        endpoints.filter(({ instance }) => instance.tags.includes(tag) === tagged)
      const canaries = next(among(true), random, weightOf)
      const others = next(among(false), random, weightOf)
      return {
        pick(context) {
          const chosen = random.next() < part ? canaries : others
          return chosen.pick(context) ?? canaries.pick(context) ?? others.pick(context)
        },
        refresh: (now) => [canaries, others].forEach((picker) => picker.refresh?.(now)),
      }
    }
}

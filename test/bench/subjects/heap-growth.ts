import { PerformanceObserver } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'

const collections: number[] = []
const observer = new PerformanceObserver((list) => {
  for (const { startTime } of list.getEntries()) collections.push(startTime)
})
observer.observe({ entryTypes: ['gc'] })

/** Bytes by which the heap grew; `undefined` when a collection came in between and the answer is lost. */
export async function growth(action: () => void): Promise<number | undefined> {
  // Room in the young generation is all that is needed, and with 10,000 endpoints a full collection takes 100 ms.
  globalThis.gc?.({ type: 'minor' })
  await turn()
  const startedAt = performance.now()
  const before = getHeapStatistics().used_heap_size
  action()
  const after = getHeapStatistics().used_heap_size
  const endedAt = performance.now()
  // Collections are announced later.
  await turn()
  await turn()
  const disturbed = collections.some((at) => at >= startedAt && at <= endedAt)
  collections.length = 0
  return disturbed ? undefined : after - before
}

// A collection that others have made due may come once more; one that comes each time is ours.
const ATTEMPTS = 5

/** An allocation that is known must show, or a zero would mean nothing. */
export async function proveScale(): Promise<void> {
  const kept: object[] = new Array<object>(1000)
  let bytes: number | undefined
  // To make 10,000 endpoints is reason enough for a full collection, which would come in the middle of the proof.
  globalThis.gc?.()
  for (let attempt = 0; attempt < ATTEMPTS && bytes === undefined; attempt++) {
    bytes = await growth(() => {
      for (let index = 0; index < 100_000; index++) kept[index % 1000] = { index }
    })
  }
  if (bytes === undefined || bytes < 100_000 * 16) {
    throw new Error(`the heap statistics of this Node do not show allocations: ${bytes ?? 'disturbed'}`)
  }
}

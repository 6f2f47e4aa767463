import { readdirSync, readFileSync } from 'node:fs'

/**
 * CPU time that a process has used with all its threads, in microseconds; `undefined` where the kernel does not
 * tell. Linux's `schedstat` counts nanoseconds, where `stat` counts ticks of 10 ms.
 * A thread that has ended takes its time with it: compare while the same threads live.
 */
export function cpuOf(pid: number): number | undefined {
  try {
    let nanoseconds = 0
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const [running] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
      nanoseconds += Number(running)
    }
    return nanoseconds / 1000
  } catch {
    return undefined
  }
}

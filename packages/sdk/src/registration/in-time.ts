import { isAborted } from '../clock.js'

/** Resolves to true when the work has ended, to false at the deadline; rejects with it. */
export async function inTime(work: Promise<unknown>, deadline: AbortSignal): Promise<boolean> {
  if (isAborted(deadline)) {
    // Begun too late to be waited for: how it ends concerns nobody.
    work.catch(() => undefined)
    return false
  }
  let giveUp: (() => void) | undefined
  const late = new Promise<boolean>((resolve) => {
    giveUp = () => resolve(false)
    deadline.addEventListener('abort', giveUp)
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    if (giveUp !== undefined) deadline.removeEventListener('abort', giveUp)
  }
}

/** Polls until `condition` holds, and once more after the deadline: for what no event announces. */
export async function until(condition: () => boolean, deadlineMs = 15_000): Promise<void> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const late = performance.now() > deadline
    if (condition()) return
    if (late) throw new Error(`not within ${deadlineMs} ms: ${String(condition)}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

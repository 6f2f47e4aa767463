/** Polls until `condition` holds: for what no event announces. */
export async function until(condition: () => boolean, deadlineMs = 5000): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${String(condition)}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

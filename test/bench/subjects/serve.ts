/** What the parent told this process to be. */
export function argument(): unknown {
  return JSON.parse(process.argv[2] ?? 'null')
}

/** Answers the parent, one message at a time, and ends with it. */
export function serve(answer: (message: unknown) => unknown): void {
  process.on('disconnect', () => process.exit())
  // The terminal tells all of us of Ctrl-C; the parent is the one who decides.
  process.on('SIGINT', () => undefined)
  process.on('message', (envelope) => {
    const { message } = envelope as { readonly message: unknown }
    Promise.resolve()
      .then(() => answer(message))
      .then(
        (reply) => process.send?.({ reply }),
        (error: unknown) =>
          process.send?.({ fault: error instanceof Error ? describe(error) : String(error) }),
      )
  })
}

// `fetch` says only "fetch failed"; what failed is its cause.
function describe(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

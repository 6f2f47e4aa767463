/** The young generation must hold all that a sample could allocate, or a collection would hide it. */
export const NODE_FLAGS: readonly string[] = [
  '--expose-gc',
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
]

/** Of the process; by what of it is needed, as its types declare methods as properties, which no class can override. */
const StandardHeaders = Headers as unknown as new (init: [string, string][]) => object

/** The headers of a response: read, not written, as the standard's guard `immutable` has it. */
export class ResponseHeaders extends StandardHeaders {
  constructor(raw: readonly Buffer[]) {
    super(pairsOf(raw))
  }

  append(): void {
    throw new TypeError('immutable')
  }

  set(): void {
    throw new TypeError('immutable')
  }

  delete(): void {
    throw new TypeError('immutable')
  }
}

// Programs that ask a class for its name know this one.
Object.defineProperty(ResponseHeaders, 'name', { value: 'Headers' })

function pairsOf(raw: readonly Buffer[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    pairs.push([raw[index]?.toString('latin1') ?? '', raw[index + 1]?.toString('latin1') ?? ''])
  }
  return pairs
}

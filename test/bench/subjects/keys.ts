import { createHash } from 'node:crypto'
import type { KeyedRequest } from './pick-loops.js'

// More than any peer keeps in its cache of keys that it has seen (hashring 5,000, moleculer 1,000), and little enough
// for the processor's own.
const KEYS = 16_384

/** Keys of 32 bytes, no two alike. */
export function keyedRequests(): readonly KeyedRequest[] {
  return Array.from({ length: KEYS }, (_, index) => ({
    path: '/',
    method: 'GET',
    hashKey: createHash('md5').update(`key ${index}`).digest('hex'),
  }))
}

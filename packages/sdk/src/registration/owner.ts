import { randomBytes } from 'node:crypto'

/** A name that no other registration has: 64 bits, not from the seeded source, which two processes may share. */
export function newOwner(): string {
  return randomBytes(8).toString('hex')
}

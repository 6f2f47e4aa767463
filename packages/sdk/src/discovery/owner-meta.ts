/**
 * Where an instance carries whose it is, in the meta of its service: an agent knows ids and nothing else, so that a process
 * that registers under an id replaces the one that did before, and one that deregisters removes whichever is there.
 * Clients drop it from the meta of an instance: each has another one, and it says nothing to them.
 */
export const OWNER_META = 'fairlead-owner'

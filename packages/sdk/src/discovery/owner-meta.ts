/**
 * Where an instance carries whose it is, in the meta of its service: an agent knows ids and nothing else, so that whoever
 * registers under an id takes the place of whoever did before, and whoever deregisters takes out whoever is there.
 * Clients leave it out of an instance: each has another one, and it says nothing to them.
 */
export const OWNER_META = 'fairlead-owner'

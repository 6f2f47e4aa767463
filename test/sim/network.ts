/** One way through a data centre: a quarter of a millisecond. */
export const NETWORK_US = 250

/** From an attempt to the refusal of its connection: 1 ms. */
export const REFUSAL_US = 1000

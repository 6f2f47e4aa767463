/** What every request is answered with by an instance that is well; ASCII. */
export const BODY: string = JSON.stringify({ id: 42, customer: 'c-1007', status: 'shipped' }).padEnd(100)

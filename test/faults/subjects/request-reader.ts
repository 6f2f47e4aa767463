const END_OF_HEAD = '\r\n\r\n'

/** Finds the ends of requests in what a connection brings: heads, and bodies with a length. */
export class RequestReader {
  #text = ''

  /** How many requests are whole with this. */
  read(chunk: string): number {
    this.#text += chunk
    let requests = 0
    while (this.#takeOne()) requests++
    return requests
  }

  #takeOne(): boolean {
    const head = this.#text.indexOf(END_OF_HEAD)
    if (head === -1) return false
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#text.slice(0, head + 2))?.[1] ?? '0'
    const end = head + END_OF_HEAD.length + Number(length)
    if (this.#text.length < end) return false
    this.#text = this.#text.slice(end)
    return true
  }
}

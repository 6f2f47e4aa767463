/**
 * Puts what is made into a page that is otherwise written by hand, between its two comments.
 *
 * @param name What the comments call the part.
 */
export function withPart(page: string, name: string, made: string): string {
  const begin = `<!-- Made by npm run docs, do not edit: ${name} -->`
  const end = `<!-- End of ${name} -->`
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) throw new Error(`the page has to have the lines\n${begin}\n${end}`)
  return `${page.slice(0, from)}${begin}\n\n${made}\n\n${page.slice(to)}`
}

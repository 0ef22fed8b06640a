// Writes dist/SOURCES: the digest of every file that the build depends on. A Go
// test compares it with the tree, so that a page cannot be older than its source.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = new URL('..', import.meta.url).pathname
const skipped = new Set(['node_modules', 'dist'])

/** Lists the files below a folder in a fixed order, as paths from the root. */
function files(dir) {
  return readdirSync(join(root, dir), { withFileTypes: true })
    .filter((e) => !skipped.has(e.name) && !e.name.endsWith('.go'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((e) => (e.isDirectory() ? files(join(dir, e.name)) : [join(dir, e.name)]))
}

const digest = (name) => createHash('sha256').update(readFileSync(join(root, name))).digest('hex')
writeFileSync(join(root, 'dist', 'SOURCES'), files('.').map((name) => `${digest(name)}  ${name}\n`).join(''))

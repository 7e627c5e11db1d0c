// Saves and restores caches with GitHub's own client; the environment says by which protocol.
import assert from 'node:assert/strict'
import * as crypto from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import * as cache from '@actions/cache'

assert.ok(cache.isFeatureAvailable())
const workspace = process.env.GITHUB_WORKSPACE
const folder = path.join(workspace, 'deps')
const prefix = process.argv[2]
const paths = ['deps']
process.chdir(workspace)

function fill(contents) {
  fs.rmSync(folder, {recursive: true, force: true})
  fs.mkdirSync(path.join(folder, 'inner'), {recursive: true})
  fs.writeFileSync(path.join(folder, 'inner/file'), contents)
}

const read = () => fs.readFileSync(path.join(folder, 'inner/file'))
const clear = () => fs.rmSync(folder, {recursive: true, force: true})

// Nothing is there yet.
assert.equal(await cache.restoreCache(paths, `${prefix}-a`, [`${prefix}-`]), undefined)

// 40 MB that do not compress, in several chunks by the first protocol.
const large = crypto.randomBytes(40 * 1024 * 1024)
fill(large)
assert.ok((await cache.saveCache(paths, `${prefix}-a`, {uploadChunkSize: 8 * 1024 * 1024})) > 0)
clear()
assert.equal(await cache.restoreCache(paths, `${prefix}-a`), `${prefix}-a`)
assert.ok(read().equals(large))

// A key is saved once.
fill('other')
assert.equal(await cache.saveCache(paths, `${prefix}-a`), -1)

// Restore keys: the newest that begins so.
assert.ok((await cache.saveCache(paths, `${prefix}-b`)) > 0)
clear()
assert.equal(await cache.restoreCache(paths, `${prefix}-c`, [`${prefix}-none`, `${prefix}-`]), `${prefix}-b`)
assert.equal(read().toString(), 'other')

// Looking only restores nothing; other paths are another version.
clear()
assert.equal(await cache.restoreCache(paths, `${prefix}-a`, [], {lookupOnly: true}), `${prefix}-a`)
assert.ok(!fs.existsSync(folder))
assert.equal(await cache.restoreCache(['elsewhere'], `${prefix}-a`), undefined)
console.log('DONE')

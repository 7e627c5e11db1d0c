// A job that may only read caches: the client is stopped by its mode, and without the mode by the service.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import * as path from 'node:path'
import * as cache from '@actions/cache'

process.chdir(process.env.GITHUB_WORKSPACE)
fs.mkdirSync('deps', {recursive: true})
fs.writeFileSync(path.join('deps', 'file'), 'x')
assert.equal(await cache.saveCache(['deps'], 'denied'), -1)
delete process.env.ACTIONS_CACHE_MODE
assert.equal(await cache.saveCache(['deps'], 'denied'), -1)
assert.equal(await cache.restoreCache(['deps'], 'denied'), undefined)
console.log('DONE')

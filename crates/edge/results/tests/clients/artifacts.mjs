// Uploads, lists, downloads, overwrites and deletes artifacts with GitHub's own client.
import assert from 'node:assert/strict'
import * as crypto from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import {DefaultArtifactClient} from '@actions/artifact'

const client = new DefaultArtifactClient()
const work = process.argv[2]
const from = path.join(work, 'from')
fs.mkdirSync(path.join(from, 'deep/er'), {recursive: true})

function write(name, bytes) {
  const file = path.join(from, name)
  fs.writeFileSync(file, bytes)
  return file
}

async function roundTrip(name, files, options) {
  const up = await client.uploadArtifact(name, files, from, options)
  assert.ok(up.id > 0 && up.size > 0, JSON.stringify(up))
  const to = path.join(work, 'to', name)
  const {artifact} = await client.getArtifact(name)
  assert.equal(artifact.id, up.id)
  assert.equal(artifact.digest, `sha256:${up.digest}`)
  const down = await client.downloadArtifact(up.id, {path: to, expectedHash: artifact.digest})
  assert.equal(down.digestMismatch, false)
  for (const file of files) {
    const there = path.join(to, path.relative(from, file))
    assert.ok(fs.readFileSync(there).equals(fs.readFileSync(file)), there)
  }
  return up
}

// Several files, one of them empty, one in a folder, one with a name that needs care.
const several = [
  write('one.txt', 'one'),
  write('empty', ''),
  write('deep/er/ü b.txt', 'umlaut'),
]
const first = await roundTrip('several', several, {retentionDays: 2})

// 50 MB that do not compress: several blocks at once.
await roundTrip('large', [write('large.bin', crypto.randomBytes(50 * 1024 * 1024))], {compressionLevel: 0})

// A single file as it is.
const raw = await client.uploadArtifact('ignored', [write('page.html', '<p>hello</p>')], from, {skipArchive: true})
const page = path.join(work, 'to', 'raw')
await client.downloadArtifact(raw.id, {path: page})
assert.equal(fs.readFileSync(path.join(page, 'page.html'), 'utf8'), '<p>hello</p>')

// A name is taken once, until it is deleted; what was downloaded then is the new one.
await assert.rejects(client.uploadArtifact('several', [several[0]], from), /already exists/)
assert.equal((await client.deleteArtifact('several')).id, first.id)
await assert.rejects(client.getArtifact('several'), /not found/i)
const again = await roundTrip('several', [write('one.txt', 'two')])
assert.ok(again.id > first.id)

const {artifacts} = await client.listArtifacts()
assert.deepEqual(artifacts.map(one => one.name).sort(), ['large', 'page.html', 'several'])
assert.ok(artifacts.every(one => one.createdAt instanceof Date && one.size > 0))
await assert.rejects(client.downloadArtifact(1, {path: page}), /No artifacts found/)
console.log('DONE')

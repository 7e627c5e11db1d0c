// Asks for an id token with GitHub's own client, and verifies it as somebody who knows the issuer only.
import assert from 'node:assert/strict'
import * as core from '@actions/core'
import * as jose from 'jose'

const issuer = process.argv[2]
const configuration = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()
assert.equal(configuration.issuer, issuer)
const keys = jose.createRemoteJWKSet(new URL(configuration.jwks_uri))
const algorithms = configuration.id_token_signing_alg_values_supported

const token = await core.getIDToken('sts.example.com')
const {payload} = await jose.jwtVerify(token, keys, {issuer, audience: 'sts.example.com', algorithms})
assert.equal(payload.sub, 'repo:octo/hello:environment:production')
assert.equal(payload.repository, 'octo/hello')
assert.equal(payload.environment, 'production')
assert.equal(payload.exp - payload.iat, 300)
assert.ok(Object.keys(payload).every(name => configuration.claims_supported.includes(name)))

const plain = await core.getIDToken()
const usual = await jose.jwtVerify(plain, keys, {issuer, audience: 'https://github.com/octo', algorithms})
assert.notEqual(usual.payload.jti, payload.jti)

await assert.rejects(jose.jwtVerify(token, keys, {issuer, audience: 'other'}))
const parts = token.split('.')
parts[1] = jose.base64url.encode(JSON.stringify({...payload, sub: 'repo:octo/hello:environment:x'}))
await assert.rejects(jose.jwtVerify(parts.join('.'), keys, {issuer}))
console.log('DONE')

// Which files GitHub's glob finds, in which order, for all cases that come on standard input.
import * as glob from '@actions/glob'
import {readFileSync} from 'node:fs'

const {root, cases} = JSON.parse(readFileSync(0, 'utf8'))
process.chdir(root)
const all = []
for (const {patterns, options} of cases) {
  try {
    const globber = await glob.create(patterns, options)
    all.push({found: await globber.glob(), paths: globber.getSearchPaths()})
  } catch (error) {
    if (error.code === 'ERR_INVALID_ARG_TYPE') throw error
    all.push({refused: true})
  }
}
console.log('FOUND ' + JSON.stringify(all))

// node --import without-ioredis.mjs …: a program in which only the package redis is installed.

import { register } from 'node:module'

const hook = `export async function resolve(name, context, next) {
  if (name === 'ioredis') throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
  return next(name, context)
}`
register(`data:text/javascript,${encodeURIComponent(hook)}`)

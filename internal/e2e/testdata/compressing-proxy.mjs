// A proxy as many have one: Express with its compression in front of the aggregator at PORT, of which it asks plain
// answers. It prints its own port.

import http from 'node:http'
import compression from 'compression'
import express from 'express'

const [port] = process.argv.slice(2)
const app = express()
app.use(compression({ threshold: 0 }))
app.use((request, response) => {
  const { method, url } = request
  const headers = { ...request.headers, 'accept-encoding': 'identity' }
  request.pipe(
    http
      .request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers)
        answer.pipe(response)
      })
      .on('error', () => response.destroy()),
  )
})
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))

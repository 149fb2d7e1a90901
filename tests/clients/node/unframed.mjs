// A DELETE by Node's own http module, whose body has no Content-Length unless somebody gives it one.
import http from 'node:http'
import { input, say } from './axios.mjs'

const { web_api_key, app_key } = input
const body = JSON.stringify({ guids: input.guids, library: null })

function remove(more) {
  const headers = { web_api_key, app_key, 'Content-Type': 'application/json', ...more }
  return new Promise((resolve, reject) => {
    const request = http.request(`${input.base_url}/v3/delete_images`, { method: 'DELETE', headers }, (response) => {
      const parts = []
      response.on('data', (part) => parts.push(part))
      response.on('end', () => resolve({ status: response.statusCode, data: JSON.parse(Buffer.concat(parts)) }))
    })
    request.on('error', reject)
    request.write(body)
    request.end()
  })
}

say([await remove({}), await remove({ 'Content-Length': Buffer.byteLength(body) })])

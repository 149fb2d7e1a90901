// Sends each of `input.requests` once: its status and body, whichever it is.
import axios from 'axios'
import { input, say } from './axios.mjs'

async function send({ verb, path, headers, body }) {
  const isFile = (headers['content-type'] ?? '').startsWith('image/')
  const data = body === undefined || isFile ? body : JSON.parse(body)
  const request = { method: verb, url: input.base_url + path, headers, data }
  try {
    const answer = await axios(request)
    return { status: answer.status, data: answer.data }
  } catch (error) {
    return { status: error.response.status, data: error.response.data }
  }
}

const answers = []
for (const request of input.requests) answers.push(await send(request))
say(answers)

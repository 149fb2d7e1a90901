// What scenarios of FinerWorks' clients need: their input, calls with both keys as headers, one line of JSON as output.
import axios from 'axios'
import { text } from 'node:stream/consumers'

export const input = JSON.parse(await text(process.stdin))

export const say = (value) => console.log(JSON.stringify(value))

const keys = { web_api_key: input.web_api_key, app_key: input.app_key }

// The answer's body. What is not 2xx is thrown by axios, with the body as error.response.data.
export async function call(method, name, data, more = {}) {
  const answer = await axios({ method, url: `${input.base_url}/v3/${name}`, headers: keys, data, ...more })
  return answer.data
}

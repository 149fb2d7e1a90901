// Uploads a picture with what Node and axios have for it: as a form, and as the whole body.
import { readFile } from 'node:fs/promises'
import axios from 'axios'
import { input, say } from './axios.mjs'

const headers = { web_api_key: input.web_api_key, app_key: input.app_key }
const place = `${input.base_url}/packshot/v3`
const bytes = await readFile(input.picture)

const form = new FormData()
form.append('title', 'Düne')
form.append('file', new Blob([bytes], { type: 'image/jpeg' }), 'düne.jpg')
const byForm = await axios.post(`${place}/upload`, form, { headers })
const byPut = await axios.put(`${place}/images/${input.guid}?file_name=dune.jpg`, bytes, {
  headers: { ...headers, 'Content-Type': 'image/jpeg' }
})

async function fetched(image) {
  const addresses = [image.public_thumbnail_uri, image.public_preview_uri, image.private_hires_uri]
  return Promise.all(addresses.map(uri => axios.get(`${uri}?t=1712345678`, { responseType: 'arraybuffer' })))
}

const images = [byForm.data.images[0], byPut.data.images[0]]
const answers = [await fetched(images[0]), await fetched(images[1])]
say({
  images,
  sizes: answers.map(answer => answer.map(one => one.data.length)),
  types: answers.map(answer => answer.map(one => one.headers['content-type'])),
  size: bytes.length
})

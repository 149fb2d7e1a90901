// Does what FinerWorks' file manager does, and reads answers as it does: hardly anything is checked before it is used.
import { randomUUID } from 'node:crypto'
import { call, input, say } from './axios.mjs'

const library = { name: 'inventory', session_id: '0123456789abcdef', account_key: input.account_key, site_id: '2' }
const uri = (kind, name) => `http://img.example/${kind}/${name}`

// A log entry after every call, and its number: a refusal here ends the whole program.
async function note(type, name, details) {
  const data = await call('post', 'add_event', { type, name, details: JSON.stringify(details), account_id: 0, site_id: '2' })
  return (data.event_log ?? data).id
}

async function upload(name) {
  const image = {
    title: '', description: '', file_name: name, file_size: 11000024, thumbnail_file_name: `200x200_${name}`,
    preview_file_name: name, hires_file_name: name, public_thumbnail_uri: uri('t', name),
    public_preview_uri: uri('p', name), private_hires_uri: uri('h', name), pix_w: 1600, pix_h: 2400
  }
  const data = await call('post', 'add_images', { images: [image], library })
  return data.images[0].guid
}

async function page(number) {
  const asked = {
    library, search_filter: '', page_number: String(number), per_page: '12', list_products: true, active: null,
    sort_field: 'id', sort_direction: 'DESC', upload_date_from: '', upload_date_to: ''
  }
  const data = await call('post', 'list_images', asked)
  await note('success', 'List all Images', asked)
  return data
}

// Shows more and more until everything is there.
async function scroll() {
  const shown = []
  let count = 1
  for (let number = 1; shown.length < count && number < 9; number++) {
    const data = await page(number)
    shown.push(...data.images.map((image) => ({ guid: image.guid, title: image.title })))
    count = data.count
  }
  return { shown, count }
}

async function pick(guids) {
  const guid = randomUUID()
  await call('put', 'update_file_selection', { guids, guid })
  return (await call('get', `list_file_selection?guid=${guid}`)).guids
}

async function refused(request) {
  try {
    return { unexpected: await request() }
  } catch (error) {
    const { data } = error.response
    return { status: error.response.status, data, event: await note('error', 'Refused', data) }
  }
}

const guids = []
for (let number = 0; number < 30; number++) guids.push(await upload(`dunes-${number}.jpg`))
await call('put', 'update_images', {
  images: [{ guid: guids[3], title: 'Dunes at dawn', description: '' }], account_key: input.account_key
})
const before = await scroll()
const picked = await pick(guids.slice(5, 8))
const deleted = await call('delete', 'delete_images', { guids: guids.slice(3, 6), library })
const event = await note('success', 'Delete Image', { guids })
say({
  guids, before, picked, deleted, event,
  after: await scroll(),
  empty: (await page(99)).images.map((image) => image.guid),
  user: (await call('get', `test_my_credentials?account_key=${input.account_key}`)).user_account,
  refusals: [
    await refused(() => call('delete', 'delete_images', { library })),
    await refused(() => call('post', 'list_images', { library: { name: 'elsewhere' } })),
    await refused(() => call('get', 'no_such_thing')),
    await refused(() => call('get', 'get_user', undefined, { headers: {} }))
  ]
})

// Walks a list by each of the SDK's ways, once for each of `input.lists`: the ids that each way found.
import { ApiVersion } from '@bitrix24/b24jssdk'
import { hook, input, say } from './scenario.mjs'

const b24 = hook()
const { method, key } = input
const ids = (rows) => rows.map((row) => row.id)

async function byCallList(params) {
  const found = await b24.actions.v2.callList.make({
    method, params, idKey: 'id', cursorIdKey: input.cursor, customKeyForResult: key
  })
  return ids(found.getData())
}

async function byFetchList(params) {
  const found = []
  const pages = b24.actions.v2.fetchList.make({
    method, params, idKey: 'id', cursorIdKey: input.cursor, customKeyForResult: key
  })
  for await (const page of pages) found.push(...ids(page))
  return found
}

async function byPages(params) {
  const found = []
  let page = await b24.actions.v2.call.make({ method, params })
  const total = page.getTotal()
  while (page) {
    found.push(...ids(page.getData().result[key]))
    page = await page.fetchNext(b24.getHttpClient(ApiVersion.v2))
  }
  return { total, found }
}

const walked = []
for (const params of input.lists) {
  walked.push({
    callList: await byCallList(params), fetchList: await byFetchList(params), pages: await byPages(params)
  })
}
say(walked)

// Calls as an application, with tokens the SDK renews when it has to: who we are, and which tokens it was given.
import { B24OAuth } from '@bitrix24/b24jssdk'
import { input, say, seen } from './scenario.mjs'

const b24 = new B24OAuth(input.tokens, input.application)
const renewed = []
b24.setCallbackRefreshAuth(async ({ b24OAuthParams }) => { renewed.push({ ...b24OAuthParams }) })
try {
  if (input.refresh) await b24.auth.refreshAuth() // a call would hide the code of what goes wrong here
  await b24.initIsAdmin()
  const info = await b24.actions.v2.call.make({ method: 'app.info', params: {} })
  say({ isAdmin: b24.auth.isAdmin, info: info.getData().result, renewed })
} catch (error) {
  say({ thrown: seen(error), renewed })
}

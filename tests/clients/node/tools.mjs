// The SDK's own tools, and who it says we are.
import { hook, say } from './scenario.mjs'

const b24 = hook()
const profile = await b24.actions.v2.call.make({ method: 'profile', params: {} })
say({
  ping: await b24.tools.ping.make(),
  healthy: await b24.tools.healthCheck.make(),
  profile: profile.getData().result
})

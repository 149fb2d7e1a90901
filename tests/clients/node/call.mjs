// Makes each of `input.calls` in turn: its result or its error, and how often the SDK tried again.
import { ApiVersion } from '@bitrix24/b24jssdk'
import { hook, input, say, seen } from './scenario.mjs'

const b24 = hook()
const answers = []
for (const call of input.calls) {
  try {
    answers.push({ result: (await b24.actions.v2.call.make(call)).getData().result })
  } catch (error) {
    answers.push({ error: seen(error) })
  }
}
say({ answers, retries: b24.getHttpClient(ApiVersion.v2).getStats().retries })

// What every scenario needs: its input from standard input, a client, and one line of JSON as its output.
import { B24Hook } from '@bitrix24/b24jssdk'
import { text } from 'node:stream/consumers'

export const input = JSON.parse(await text(process.stdin))

export const hook = () => B24Hook.fromWebhookUrl(input.webhook)

export const say = (value) => console.log(JSON.stringify(value))

// What a caller sees of an error.
export const seen = (error) => ({
  name: error.name, code: error.code, status: error.status, message: error.message
})

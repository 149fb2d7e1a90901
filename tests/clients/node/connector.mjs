// Does what FinerWorks' order connector does: looks for products by SKU, ties them to a shop, and unties them.
import { call, input, say } from './axios.mjs'

const account_key = input.account_key

async function found(asked) {
  const data = await call('post', 'list_virtual_inventory', { ...asked, account_key })
  if (!data.status.success) throw new Error('Something went wrong')
  return data
}

// Only SKUs that are there are changed; what is read is written back whole, with one id more.
async function tie(wanted) {
  const { products } = await found({ sku_filter: Object.keys(wanted) })
  const virtual_inventory = products.map((product) => ({
    sku: product.sku, asking_price: product.asking_price ?? 0, name: product.name ?? 'Untitled',
    description: product.description_long ?? '', quantity_in_stock: product.quantity_in_stock ?? 0,
    track_inventory: product.track_inventory ?? true,
    third_party_integrations: { ...product.third_party_integrations, woocommerce_product_id: wanted[product.sku] }
  }))
  const data = await call('put', 'update_virtual_inventory', { virtual_inventory, account_key })
  return data.skus_updated
}

const shop = async (sku) =>
  (await found({ sku_filter: [sku] })).products[0].third_party_integrations.woocommerce_product_id

const sku = (await found({})).products[0].sku
const tied = await tie({ [sku]: '4711', AP0001P0001: '4712' })
const during = await shop(sku)
const all = await found({ search_filter: '', page_number: 1, per_page: 100, sort_field: 'created_at', sort_direction: 'ASC' })
const disconnected = await call('put', 'disconnect_virtual_inventory', { platform: 'woocommerce', account_key })
const after = await shop(sku)
const deleted = await call('delete', 'delete_virtual_inventory', { skus: [sku, 'AP0001P0001'], account_key })
const keys = `web_api_key=${input.web_api_key}&app_key=${input.app_key}`
say({
  sku, tied, during, disconnected, after, deleted,
  count: all.count, per_page: all.per_page, prices: all.products.map((product) => parseFloat(product.asking_price)),
  left: (await found({})).products.map((product) => product.sku),
  images: (await call('post', 'list_images', { library: { account_key, site_id: 2, session_id: 's1234567' } })).images
    .map((image) => image.guid),
  company: (await call('get', `get_company_info?${keys}`)).company_info.name,
  user: (await call('get', `get_user?account_key=${account_key}`)).user_account.account_key
})

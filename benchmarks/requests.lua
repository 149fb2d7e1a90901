-- Requests with random ids for wrk. They are written out before the clock starts, so that the load costs little CPU.
--
-- Arguments after `--`: method, path, body, authorization, images, images per product, first image id, first product id,
-- milliseconds between two requests of a connection.
-- In path and body, @image@, @product@ and @record@ (the image id in 15 digits) are replaced.

local DIFFERENT = 20000
local written = {}
local turn = 0

local function fill(template, image, product)
   local values = { image = tostring(image), product = tostring(product), record = string.format("%015d", image) }
   return (template:gsub("@(%a+)@", values))
end

function init(args)
   local method, path, body, authorization = args[1], args[2], args[3], args[4]
   local images, per_product = tonumber(args[5]), tonumber(args[6])
   local first_image, first_product = tonumber(args[7]), tonumber(args[8])
   local pause_ms = tonumber(args[9])
   if pause_ms > 0 then
      -- Where there is such a function, wrk calls it before each request.
      delay = function() return pause_ms end
   end
   local headers = { ["Host"] = wrk.headers["Host"] }
   if body ~= "" then headers["Content-Type"] = "application/json" end
   if authorization ~= "" then headers["Authorization"] = authorization end
   math.randomseed(1)
   for i = 1, DIFFERENT do
      local number = math.random(0, images - 1)
      local image, product = first_image + number, first_product + math.floor(number / per_product)
      local text = body ~= "" and fill(body, image, product) or nil
      written[i] = wrk.format(method, fill(path, image, product), headers, text)
   end
end

function request()
   turn = turn % DIFFERENT + 1
   return written[turn]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\nRESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
      errors.connect + errors.read + errors.write + errors.timeout
   ))
end

-- Requests for wrk: unique reservations of one or many skus, reads of one sku, or reads of a thousand at once.
local key = os.getenv("BENCH_KEY")
local kind = os.getenv("BENCH_KIND")
local prefix = os.getenv("BENCH_PREFIX")
local skus = tonumber(os.getenv("BENCH_SKUS"))
local stem = os.getenv("BENCH_SKU")
local headers = { ["Authorization"] = "Bearer " .. key, ["Content-Type"] = "application/json" }
local turn = 0

local function sku(number)
  if skus == 1 then return stem end
  return stem .. (number * 7919) % skus
end

local function batch()
  local names = {}
  for number = 1, 1000 do names[number] = '"' .. sku(number) .. '"' end
  return wrk.format("POST", "/v1/availability:batch", headers, '{"skus":[' .. table.concat(names, ",") .. "]}")
end

local makers = {
  reserve = function()
    turn = turn + 1
    local body = string.format('{"id":"%s-%x","lines":[{"sku":"%s","quantity":1,"location":"here"}]}', prefix, turn, sku(turn))
    return wrk.format("POST", "/v1/reservations", headers, body)
  end,
  read = function()
    turn = turn + 1
    return wrk.format("GET", "/v1/availability?location=here&sku=" .. sku(turn), headers)
  end,
}

function init()
  if kind == "batch" then
    local made = batch()
    makers.batch = function() return made end
  end
end

function request()
  return makers[kind]()
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    'RESULT {"answered":%d,"refused":%d,"failed":%d,"seconds":%f,"p50Ms":%f,"p99Ms":%f}\n',
    summary.requests, errors.status, failed, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end

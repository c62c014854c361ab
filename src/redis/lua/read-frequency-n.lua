--[[
Asks count-min sketches, one a day, for one value.

KEYS     the sketches
ARGV[1]  the value's hash, 8 bytes (sketches/count-min.ts)
P        parameters, from scripts.ts

Returns  for each sketch: '' where there is none, else { its header, the value's counters u32 LE, 4 a layer, how
         many of its events wait uncounted }
]]
local wanted = ARGV[1]
local hashes = { struct.unpack('<I2I2I2I2', wanted) }

local function counters_of(key, layers)
  local counters = {}
  for layer = 1, layers do
    local width = P.count_min_widths[layer]
    for row = 1, 4 do
      local place = (row - 1) * width + hashes[row] % width
      local offset = P.count_min_ends[layer] - width * 16 + place * 4
      counters[#counters + 1] = redis.call('GETRANGE', key, offset, offset + 3)
    end
  end
  return table.concat(counters)
end

local function count_waiting(records)
  local count = 0
  local at = records:find(wanted, 1, true)
  while at do
    local is_record = (at - 1) % P.count_record_bytes == 0
    if is_record then count = count + struct.unpack('<I4', records, at + #wanted) end
    at = records:find(wanted, at + 1, true)
  end
  return count
end

local reply = {}
for i, key in ipairs(KEYS) do
  local header = redis.call('GETRANGE', key, 0, P.count_min_header_bytes - 1)
  local layers = header:byte(5)
  if header == '' then
    reply[i] = ''
  elseif not P.count_min_ends[layers] then
    reply[i] = { header, '', 0 }
  else
    local waiting = redis.call('GETRANGE', key, P.count_min_ends[layers], -1)
    reply[i] = { header, counters_of(key, layers), count_waiting(waiting) }
  end
end
return reply

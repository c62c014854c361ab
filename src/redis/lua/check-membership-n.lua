--[[
Asks Bloom filters, one a day, for one value.

KEYS     the filters
ARGV[1]  the value's bloom key, 12 bytes (sketches/bloom.ts)
ARGV[2]  how many bytes to return of each filter, its header at least (sketches/bloom-rate.ts)
P        parameters, from scripts.ts

Returns  for each filter: '' where there is none, else { 1 or 0, its first bytes }
]]
local wanted, last = ARGV[1], tonumber(ARGV[2]) - 1
local high = struct.unpack('<I4', wanted:sub(1, 4))

-- Whether a layer has all bits of the key; `first` are the first bytes of the filter.
local function layer_has(key, layer, first)
  local index = math.floor(high * P.bloom_blocks[layer] / 4294967296)
  local bytes, offset = first, P.bloom_offsets[layer] + index * 32
  if offset + 32 > #first then
    bytes, offset = redis.call('GETRANGE', key, offset, offset + 31), 0
  end
  for word = 0, 7 do
    local position = wanted:byte(5 + word)
    local byte = bytes:byte(offset + word * 4 + math.floor(position / 8) + 1)
    if not byte or bit.band(byte, bit.lshift(1, position % 8)) == 0 then return false end
  end
  return true
end

local reply = {}
for i, key in ipairs(KEYS) do
  local first = redis.call('GETRANGE', key, 0, last)
  if first == '' then
    reply[i] = ''
  else
    local found = 0
    for layer = 1, first:byte(5) do
      if layer_has(key, layer, first) then found = 1 break end
    end
    reply[i] = { found, first }
  end
end
return reply

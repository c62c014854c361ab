--[[
Asks Bloom filters, one a day, for one value.

KEYS     the filters
ARGV[1]  the value's bloom key, 12 bytes (sketches/bloom.ts)
P        parameters, from scripts.ts

Returns  for each filter: '' where there is none, else { 1 or 0, its header }
]]
local wanted = ARGV[1]
local high = struct.unpack('<I4', wanted:sub(1, 4))

local function layer_has(key, layer)
  local index = math.floor(high * P.bloom_blocks[layer] / 4294967296)
  local offset = P.bloom_offsets[layer] + index * 32
  local block = redis.call('GETRANGE', key, offset, offset + 31)
  for word = 0, 7 do
    local position = wanted:byte(5 + word)
    local byte = block:byte(word * 4 + math.floor(position / 8) + 1)
    if not byte or bit.band(byte, bit.lshift(1, position % 8)) == 0 then return false end
  end
  return true
end

local reply = {}
for i, key in ipairs(KEYS) do
  local header = redis.call('GETRANGE', key, 0, P.bloom_header_bytes - 1)
  if header == '' then
    reply[i] = ''
  else
    local found = 0
    for layer = 1, header:byte(5) do
      if layer_has(key, layer) then found = 1 break end
    end
    reply[i] = { found, header }
  end
end
return reply

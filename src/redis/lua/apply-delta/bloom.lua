-- The scalable split-block Bloom filter of sketches/bloom.ts.

local band, bor, lshift = bit.band, bit.bor, bit.lshift

local function bloom_bytes(layers) return P.bloom_offsets[layers] + P.bloom_blocks[layers] * 32 end

local function check_membership(prefix, operations)
  local headers = {}
  for _, op in ipairs(operations) do
    local head = heads[op[1]]
    local key = prefix .. head[1]
    local header = call('GETRANGE', key, 0, P.bloom_header_bytes - 1)
    if header ~= '' then
      local layers = header:byte(5)
      expect(#header == P.bloom_header_bytes and header:sub(1, 4) == P.bloom_envelope
        and P.bloom_blocks[layers] and call('STRLEN', key) == bloom_bytes(layers), key)
    end
    headers[key] = header
    assert(tonumber(head[2]) and #op[2] % 12 == 0, 'a membership operation is broken')
  end
  return headers
end

local function locate(layer, high)
  return P.bloom_offsets[layer] + math.floor(high * P.bloom_blocks[layer] / 4294967296) * 32
end

-- Whether all bits of a key are set in the block that begins after `start` bytes of `bytes`.
local function has_bits(bytes, start, keys, at)
  for word = 0, 7 do
    local position = keys:byte(at + word)
    local bit_of_byte = position % 8
    local mask = 2 ^ bit_of_byte
    local byte = bytes:byte(start + word * 4 + (position - bit_of_byte) / 8 + 1)
    if byte % (mask + mask) < mask then return false end
  end
  return true
end

local function with_bits(block, keys, at)
  local words = { struct.unpack('<I4I4I4I4I4I4I4I4', block) }
  for word = 1, 8 do words[word] = bor(words[word], lshift(1, keys:byte(at + word - 1))) end
  return struct.pack('<i4i4i4i4i4i4i4i4', unpack(words, 1, 8))
end

local function extend(key, layers) call('SETRANGE', key, bloom_bytes(layers) - 1, '\0') end

-- Layers that are cheaper to read at once than block by block, given how many keys will be looked up, by number.
local function read_layers(key, layers, keys_count)
  local whole = {}
  for layer = 1, layers do
    local bytes = P.bloom_blocks[layer] * 32
    if bytes > math.min(keys_count * P.bloom_whole_bytes_each, P.bloom_whole_bytes_max) then break end
    whole[layer] = call('GETRANGE', key, P.bloom_offsets[layer], P.bloom_offsets[layer] + bytes - 1)
  end
  return whole
end

local function add_to_bloom(key, keys, layers, counts)
  local whole, changed = read_layers(key, layers, #keys / 12), {}
  for at = 1, #keys, 12 do
    local high = struct.unpack('<I4', keys, at)
    local present, newest, newest_start, newest_place = false, nil, 0, nil
    for layer = layers, 1, -1 do
      local place = locate(layer, high)
      local bytes, start = changed[place], 0
      if not bytes then
        bytes = whole[layer]
        if bytes then
          start = place - P.bloom_offsets[layer]
        else
          bytes = call('GETRANGE', key, place, place + 31)
        end
      end
      if layer == layers then newest, newest_start, newest_place = bytes, start, place end
      if has_bits(bytes, start, keys, at + 4) then present = true break end
    end
    if not present then
      changed[newest_place] = with_bits(newest:sub(newest_start + 1, newest_start + 32), keys, at + 4)
      counts[layers] = counts[layers] + 1
      if counts[layers] >= P.bloom_capacities[layers] and layers < #P.bloom_blocks then
        layers = layers + 1
        counts[layers] = 0
        extend(key, layers)
      end
    end
  end
  for place, block in pairs(changed) do call('SETRANGE', key, place, block) end
  return layers
end

local function write_membership(prefix, operations, headers)
  for _, op in ipairs(operations) do
    local head = heads[op[1]]
    local key = prefix .. head[1]
    local header = headers[key]
    local layers, counts = 1, { 0, 0, 0, 0, 0, 0, 0, 0 }
    if header == '' then
      extend(key, 1)
      call('EXPIRE', key, head[2])
    else
      layers = header:byte(5)
      counts = { struct.unpack('<I4I4I4I4I4I4I4I4', header:sub(9)) }
    end
    layers = add_to_bloom(key, op[2], layers, counts)
    headers[key] = P.bloom_envelope .. string.char(layers, 0, 0, 0)
      .. struct.pack('<I4I4I4I4I4I4I4I4', unpack(counts, 1, 8))
    call('SETRANGE', key, 0, headers[key])
  end
end

--[[
Adds one delta to all sketches of one system, in isolation.

KEYS[1]  the system's record (hash: epoch, since, n:<numeric key>); every other key is KEYS[1] .. ':' .. suffix
ARGV[1]  the epoch that the caller's repeat filter relies on, '' where it relies on none
ARGV[2]  the epoch to give the system where it has none
ARGV[3]  now, epoch seconds
ARGV[4]  seconds the record lives from now
ARGV[5]  the delta, msgpack: { distinct, membership, tops, digests, counters, written }, each a list of
           distinct    { { suffix, ttl, suffix, ttl... }, value... }
           membership  { suffix, ttl, bloom keys of 12 bytes, one after the other }
           tops        { suffix, overcounts' suffix, ttl, item, count... }
           digests     { numeric key, suffix, ttl, samples, blob }
           counters    { suffix, ttl, field, count... }
           written     { suffix, ttl, hour of day... }
P        parameters, from scripts.ts

Returns  { 'ok', epoch, samples dropped, suffix, length... }  stored; the digest lists that want folding
         { 'epoch', epoch }    nothing stored: the epoch differs, send everything again under this one
         { 'fold', suffix... } nothing stored: these digest lists are full, fold them first

A script is isolated but does not roll back, so everything that can be wrong is looked at before the first
write. A TTL is set where a key is created and never touched again.
]]
local root = KEYS[1]
local believed, fresh = ARGV[1], ARGV[2]
local now, record_ttl = tonumber(ARGV[3]), tonumber(ARGV[4])
local delta = cmsgpack.unpack(ARGV[5])
local distinct, membership, tops = delta[1], delta[2], delta[3]
local digests, counters, written = delta[4], delta[5], delta[6]
local call = redis.call
local prefix = root .. ':'

local epoch = call('HGET', root, 'epoch')
if believed ~= '' and epoch ~= believed then
  if not epoch then
    epoch = fresh
    call('HSET', root, 'epoch', epoch, 'since', now)
    call('EXPIRE', root, record_ttl)
  end
  return { 'epoch', epoch }
end

local function expect(condition, key)
  if not condition then error('WRONGTYPE ' .. key .. ' does not hold the sketch that its name says') end
end

-- Look at everything ---------------------------------------------------------------------------------------

for _, op in ipairs(distinct) do
  for i = 1, #op[1], 2 do
    local head = call('GETRANGE', prefix .. op[1][i], 0, 3)
    expect(head == '' or head == 'HYLL', op[1][i])
  end
end

-- What is read here is kept by key and renewed by what is written, since a delta may bring several operations
-- on one key: two hours of a day share its filter, two minutes of an hour its lists.
local headers = {}
for _, op in ipairs(membership) do
  local header = headers[op[1]] or call('GETRANGE', prefix .. op[1], 0, P.bloom_header_bytes - 1)
  headers[op[1]] = header
  expect(header == '' or header:sub(1, 4) == P.bloom_envelope, op[1])
  expect(#op[3] % 12 == 0, op[1])
end

local cards, floors = {}, {}
for _, op in ipairs(tops) do
  if not cards[op[1]] then
    cards[op[1]] = call('ZCARD', prefix .. op[1])
    floors[op[1]] = tonumber(call('HGET', prefix .. op[2], '') or '0')
  end
end

local admitted, numeric_new, numeric_count, dropped, full = {}, {}, nil, 0, {}
local lengths = {}
for i, op in ipairs(digests) do
  local name = op[1]
  if name ~= P.reserved_numeric_key and not numeric_new[name] and call('HEXISTS', root, 'n:' .. name) == 0 then
    numeric_count = numeric_count or tonumber(call('HGET', root, 'numeric') or '0')
    if numeric_count < P.numeric_keys_max - 1 then
      numeric_count = numeric_count + 1
      numeric_new[name] = true
    else
      dropped = dropped + op[4]
      name = nil
    end
  end
  if name then
    admitted[i] = true
    lengths[op[2]] = lengths[op[2]] or call('LLEN', prefix .. op[2])
    if lengths[op[2]] >= P.digest_elements_max then full[#full + 1] = op[2] end
  end
end

for _, op in ipairs(counters) do call('HLEN', prefix .. op[1]) end
for _, op in ipairs(written) do call('HLEN', prefix .. op[1]) end

if #full > 0 then return { 'fold', unpack(full) } end

-- Write ----------------------------------------------------------------------------------------------------

local function expire_new(key, ttl)
  if call('TTL', key) == -1 then call('EXPIRE', key, ttl) end
end

-- Calls a command with a list of any length, in slices that Lua can unpack.
local function in_slices(command, key, list, from)
  for i = from, #list, P.slice do
    call(command, key, unpack(list, i, math.min(i + P.slice - 1, #list)))
  end
end

if not epoch then
  epoch = fresh
  call('HSET', root, 'epoch', epoch, 'since', now)
  call('EXPIRE', root, record_ttl)
end
if #written > 0 then call('EXPIRE', root, record_ttl) end
if next(numeric_new) then
  for name in pairs(numeric_new) do call('HSET', root, 'n:' .. name, 1) end
  call('HSET', root, 'numeric', numeric_count)
end

for _, op in ipairs(distinct) do
  for destination = 1, #op[1], 2 do
    local key, changed = prefix .. op[1][destination], 0
    for i = 2, #op, P.slice do
      changed = changed + call('PFADD', key, unpack(op, i, math.min(i + P.slice - 1, #op)))
    end
    if changed > 0 then expire_new(key, op[1][destination + 1]) end
  end
end

-- The scalable split-block Bloom filter of sketches/bloom.ts.
local band, bor, lshift = bit.band, bit.bor, bit.lshift

local function locate(layer, high)
  local index = math.floor(high * P.bloom_blocks[layer] / 4294967296)
  return P.bloom_offsets[layer] + index * 32
end

local function has_bits(block, keys, at)
  for word = 0, 7 do
    local position = keys:byte(at + word)
    local byte = block:byte(word * 4 + math.floor(position / 8) + 1)
    if not byte or band(byte, lshift(1, position % 8)) == 0 then return false end
  end
  return true
end

local function with_bits(block, keys, at)
  local words = { struct.unpack('<I4I4I4I4I4I4I4I4', block) }
  for word = 1, 8 do words[word] = bor(words[word], lshift(1, keys:byte(at + word - 1))) end
  return struct.pack('<i4i4i4i4i4i4i4i4', unpack(words, 1, 8))
end

local function extend(key, layer)
  call('SETRANGE', key, P.bloom_offsets[layer] + P.bloom_blocks[layer] * 32 - 1, '\0')
end

local function add_to_bloom(key, keys, layers, counts)
  for at = 1, #keys, 12 do
    local high = struct.unpack('<I4', keys:sub(at, at + 3))
    local present, offset, block = false, nil, nil
    for layer = layers, 1, -1 do
      local place = locate(layer, high)
      local bytes = call('GETRANGE', key, place, place + 31)
      if layer == layers then offset, block = place, bytes end
      if has_bits(bytes, keys, at + 4) then present = true break end
    end
    if not present then
      call('SETRANGE', key, offset, with_bits(block, keys, at + 4))
      counts[layers] = counts[layers] + 1
      if counts[layers] >= P.bloom_capacities[layers] and layers < #P.bloom_blocks then
        layers = layers + 1
        counts[layers] = 0
        extend(key, layers)
      end
    end
  end
  return layers
end

for _, op in ipairs(membership) do
  local key, header = prefix .. op[1], headers[op[1]]
  local layers, counts = 1, { 0, 0, 0, 0, 0, 0, 0, 0 }
  if header == '' then
    extend(key, 1)
    call('EXPIRE', key, op[2])
  else
    layers = header:byte(5)
    counts = { struct.unpack('<I4I4I4I4I4I4I4I4', header:sub(9)) }
  end
  layers = add_to_bloom(key, op[3], layers, counts)
  headers[op[1]] = P.bloom_envelope .. string.char(layers, 0, 0, 0)
    .. struct.pack('<I4I4I4I4I4I4I4I4', unpack(counts, 1, 8))
  call('SETRANGE', key, 0, headers[op[1]])
end

-- Space-Saving, as in sketches/space-saving.ts: tracked items first, then the absent at the floor, then cut.
for _, op in ipairs(tops) do
  local key, overs = prefix .. op[1], prefix .. op[2]
  local card, floor = cards[op[1]], floors[op[1]]
  local entering, entering_overs = {}, {}
  for j = 4, #op, 2 do
    local item, count = op[j], op[j + 1]
    if card == 0 or not call('ZADD', key, 'XX', 'INCR', count, item) then
      entering[#entering + 1] = floor + count
      entering[#entering + 1] = item
      if floor > 0 then
        entering_overs[#entering_overs + 1] = item
        entering_overs[#entering_overs + 1] = floor
      end
    end
  end
  in_slices('ZADD', key, entering, 1)
  if cards[op[1]] == 0 then call('EXPIRE', key, op[3]) end
  in_slices('HSET', overs, entering_overs, 1)
  card = card + #entering / 2
  local excess = card - P.top_items_max
  if excess > 0 then
    local evicted, items = call('ZPOPMIN', key, excess), {}
    for j = 1, #evicted, 2 do items[#items + 1] = evicted[j] end
    if floor > 0 then in_slices('HDEL', overs, items, 1) end
    local raised = math.max(floor, tonumber(evicted[#evicted]))
    call('HSET', overs, '', raised)
    if floor == 0 then call('EXPIRE', overs, op[3]) end
    card, floor = P.top_items_max, raised
  end
  cards[op[1]], floors[op[1]] = card, floor
end

local reply = { 'ok', epoch, dropped }
for i, op in ipairs(digests) do
  if admitted[i] then
    local key, length = prefix .. op[2], nil
    if lengths[op[2]] == 0 then
      length = call('RPUSH', key, P.digest_header, op[5])
      call('EXPIRE', key, op[3])
    else
      length = call('RPUSH', key, op[5])
    end
    lengths[op[2]] = length
    if length > P.digest_fold_length then
      reply[#reply + 1] = op[2]
      reply[#reply + 1] = length
    end
  end
end

for _, op in ipairs(counters) do
  local key, begun = prefix .. op[1], false
  for j = 3, #op, 2 do begun = call('HINCRBY', key, op[j], op[j + 1]) == op[j + 1] or begun end
  if begun then expire_new(key, op[2]) end
end

for _, op in ipairs(written) do
  local key, begun = prefix .. op[1], false
  for j = 3, #op do begun = call('HSETNX', key, op[j], now) == 1 or begun end
  if begun then expire_new(key, op[2]) end
end

return reply

-- The layered count-min sketch of sketches/count-min.ts. One operation a sketch.

local count_slice = 128
local counters_format = '<' .. string.rep('I4', count_slice)
local states_format = '<' .. string.rep('dI4', #P.count_min_widths)
-- Counters that this call may still rewrite where a sketch can wait, so that no call rewrites many.
local rewrites_left = P.count_min_rewrites

local function check_frequency(prefix, operations)
  local sketches, seen = {}, {}
  for i, op in ipairs(operations) do
    local suffix, ttl = unpack(heads[op[1]])
    local sketch = { key = prefix .. suffix, ttl = ttl + 0 }
    expect_once(seen, suffix)
    assert(#op[2] > 0 and #op[2] % P.count_record_bytes == 0, 'a frequency operation is broken')
    sketch.bytes = call('STRLEN', sketch.key)
    if sketch.bytes > 0 then
      sketch.header = call('GETRANGE', sketch.key, 0, P.count_min_header_bytes - 1)
      local layers = sketch.header:byte(5)
      local waiting = sketch.bytes - (P.count_min_ends[layers] or math.huge)
      expect(sketch.header:sub(1, 4) == P.count_min_envelope and waiting >= 0
        and waiting % P.count_record_bytes == 0, sketch.key)
    end
    sketches[i] = sketch
  end
  return sketches
end

local function create_count_min(sketch)
  call('SETRANGE', sketch.key, P.count_min_ends[1] - 1, '\0')
  sketch.header = P.count_min_envelope .. '\1' .. string.rep('\0', P.count_min_header_bytes - 5)
  call('SETRANGE', sketch.key, 0, sketch.header)
  call('EXPIRE', sketch.key, sketch.ttl)
  sketch.bytes = P.count_min_ends[1]
end

local function read_counters(bytes, count)
  local counters = {}
  for at = 0, count - 1, count_slice do
    local slice = { struct.unpack(counters_format, bytes, at * 4 + 1) }
    for i = 1, count_slice do counters[at + i] = slice[i] end
  end
  return counters
end

local function pack_counters(counters, total)
  if total > 4294967295 then
    for i = 1, #counters do counters[i] = math.min(counters[i], 4294967295) end
  end
  local slices = {}
  for at = 1, #counters, count_slice do
    slices[#slices + 1] = struct.pack(counters_format, unpack(counters, at, at + count_slice - 1))
  end
  return table.concat(slices)
end

-- Counts records until they end or the layer is full; where it stopped, and the layer's total and taken then.
local function count_records(records, at, counters, total, taken, taken_max)
  local width = #counters / 4
  local unpack_record = struct.unpack
  while at <= #records and taken < taken_max do
    local h1, h2, h3, h4, count = unpack_record('<I2I2I2I2I4', records, at)
    h1, h2, h3, h4 = h1 % width * 4 + 1, h2 % width * 4 + 2, h3 % width * 4 + 3, h4 % width * 4 + 4
    local c1, c2, c3, c4 = counters[h1], counters[h2], counters[h3], counters[h4]
    if count > 0 then
      if c1 == 0 then taken = taken + 1 end
      if c2 == 0 then taken = taken + 1 end
      if c3 == 0 then taken = taken + 1 end
      if c4 == 0 then taken = taken + 1 end
    end
    counters[h1], counters[h2], counters[h3], counters[h4] = c1 + count, c2 + count, c3 + count, c4 + count
    total, at = total + count, at + P.count_record_bytes
  end
  return at, total, taken
end

-- Counts all that waits and `records`, and writes the sketch anew.
local function rewrite_count_min(sketch, records)
  local layers, header = sketch.header:byte(5), sketch.header
  local stored = call('GETRANGE', sketch.key, P.count_min_header_bytes, -1)
  local first = P.count_min_ends[layers] - P.count_min_widths[layers] * 16 - P.count_min_header_bytes
  local states = { struct.unpack(states_format, header:sub(9)) }
  local body = { stored:sub(1, first) }
  local counters = read_counters(stored:sub(first + 1), P.count_min_widths[layers] * 4)
  records = stored:sub(P.count_min_ends[layers] - P.count_min_header_bytes + 1) .. records
  local at = 1
  while true do
    local place, taken_max = layers * 2 - 1, P.count_min_taken_max[layers]
    if layers == #P.count_min_widths then taken_max = math.huge end
    at, states[place], states[place + 1] =
      count_records(records, at, counters, states[place], states[place + 1], taken_max)
    body[#body + 1] = pack_counters(counters, states[place])
    if at > #records then break end
    layers, counters = layers + 1, {}
    for i = 1, P.count_min_widths[layers] * 4 do counters[i] = 0 end
  end
  header = P.count_min_envelope .. string.char(layers, 0, 0, 0)
    .. struct.pack(states_format, unpack(states, 1, 2 * #P.count_min_widths))
  call('SET', sketch.key, header .. table.concat(body), 'KEEPTTL')
end

local function write_frequency(operations, sketches)
  for i, sketch in ipairs(sketches) do
    local records = operations[i][2]
    if sketch.bytes == 0 then create_count_min(sketch) end
    local layers = sketch.header:byte(5)
    local waiting = (sketch.bytes - P.count_min_ends[layers] + #records) / P.count_record_bytes
    local width = P.count_min_widths[layers]
    if waiting > width * P.counts_waiting_at_most
      or (waiting > width * P.counts_waiting_where_it_suits and width * 4 <= rewrites_left) then
      rewrites_left = rewrites_left - width * 4
      rewrite_count_min(sketch, records)
    else
      call('APPEND', sketch.key, records)
    end
  end
end

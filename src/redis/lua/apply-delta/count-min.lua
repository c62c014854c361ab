-- The layered count-min sketch of sketches/count-min.ts. One operation a sketch.

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

local function row_format(width) return '<' .. string.rep('I4', width) end

-- The four rows of a layer; of zeros, where there are no bytes yet.
local function read_rows(bytes, width)
  local format, rows = row_format(width), {}
  bytes = bytes or string.rep('\0', width * 16)
  for row = 1, 4 do
    rows[row] = { struct.unpack(format, bytes, (row - 1) * width * 4 + 1) }
    rows[row][width + 1] = nil -- the place after the last
  end
  return rows
end

local function pack_rows(rows, width, total)
  local format, packed = row_format(width), {}
  for row = 1, 4 do
    local counters = rows[row]
    if total > 4294967295 then
      for i = 1, width do counters[i] = math.min(counters[i], 4294967295) end
    end
    packed[row] = struct.pack(format, unpack(counters))
  end
  return table.concat(packed)
end

-- Counts records until they end or the layer is full; where it stopped, and the layer's total and taken then.
local function count_records(records, at, rows, total, taken, taken_max)
  local row1, row2, row3, row4 = unpack(rows)
  local width, unpack_record, bytes = #row1, struct.unpack, #records
  while at <= bytes and taken < taken_max do
    local h1, h2, h3, h4, count = unpack_record('<I2I2I2I2I4', records, at)
    h1, h2, h3, h4 = h1 % width + 1, h2 % width + 1, h3 % width + 1, h4 % width + 1
    local c1, c2, c3, c4 = row1[h1], row2[h2], row3[h3], row4[h4]
    if count > 0 then
      if c1 == 0 then taken = taken + 1 end
      if c2 == 0 then taken = taken + 1 end
      if c3 == 0 then taken = taken + 1 end
      if c4 == 0 then taken = taken + 1 end
    end
    row1[h1], row2[h2], row3[h3], row4[h4] = c1 + count, c2 + count, c3 + count, c4 + count
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
  local rows = read_rows(stored:sub(first + 1), P.count_min_widths[layers])
  records = stored:sub(P.count_min_ends[layers] - P.count_min_header_bytes + 1) .. records
  local at = 1
  while true do
    local place, taken_max = layers * 2 - 1, P.count_min_taken_max[layers]
    if layers == #P.count_min_widths then taken_max = math.huge end
    at, states[place], states[place + 1] =
      count_records(records, at, rows, states[place], states[place + 1], taken_max)
    body[#body + 1] = pack_rows(rows, P.count_min_widths[layers], states[place])
    if at > #records then break end
    layers = layers + 1
    rows = read_rows(nil, P.count_min_widths[layers])
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

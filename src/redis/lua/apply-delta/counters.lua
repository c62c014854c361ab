-- Exact counters, and the record of which hours of a day were written, and when first.

local function check_counters(prefix, operations)
  local hashes, seen = {}, {}
  for i, op in ipairs(operations) do
    local suffix, ttl = unpack(heads[op[1]])
    local hash = { key = prefix .. suffix, ttl = ttl + 0, exists = true }
    expect_once(seen, suffix)
    local absent
    hash.counts, absent = look_up('HMGET', hash.key, op[2], op[3])
    if absent > 0 then hash.exists = call('EXISTS', hash.key) == 1 end
    hashes[i] = hash
  end
  return hashes
end

local function write_counters(operations, hashes)
  for place, op in ipairs(operations) do
    local hash, fields = hashes[place], {}
    for i = 1, #op[2] do
      fields[2 * i - 1], fields[2 * i] = op[2][i], (hash.counts[i] or 0) + op[3][i]
    end
    in_slices('HSET', hash.key, fields)
    if not hash.exists then call('EXPIRE', hash.key, hash.ttl) end
  end
end

local function check_written(prefix, operations)
  local exists = {}
  for _, op in ipairs(operations) do
    local head = heads[op[1]]
    exists[head[1]] = call('HLEN', prefix .. head[1]) > 0
    assert(tonumber(head[2]), 'a TTL is no number')
    assert(type(head[3]) == 'string', 'a written operation has no state')
  end
  return exists
end

-- The rollups have to look at every day that was written. A record of a release that did not count failed
-- log-ins is told from when on they are counted.
local function write_written(root, operations, exists)
  for _, op in ipairs(operations) do
    local suffix, ttl, state = unpack(heads[op[1]])
    local key = root .. ':' .. suffix
    for _, hour in ipairs(op[2]) do call('HSETNX', key, hour, now) end
    if not exists[suffix] then call('EXPIRE', key, ttl) end
    exists[suffix] = true
    call('HSETNX', root, 'd:' .. state, now)
    call('HSETNX', root, 'failed_logins', now)
  end
end

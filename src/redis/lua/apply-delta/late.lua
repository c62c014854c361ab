-- Late events: those of a day that is over, whose hours may have been folded into lists of the day. A head of tops
-- or digests then goes on, after its three elements, with { suffix of the day's state, its TTL, then the day's own
-- list as a head has it: suffix, (overcounts' suffix,) TTL }.
-- The state is a hash: changes (how often the day was written since it was over), and of the last fold: rolled (the
-- changes it had seen), token (fencing), partial, sealed. Of a sealed day the hours are not read again, so what goes
-- to them goes to the day's own lists too. It is among the sealed days for as long as any list of it may live.

local function expect_sealed_days(key)
  local kind = call('TYPE', key).ok
  expect(kind == 'zset' or kind == 'none', key)
end

-- The states of the days that late operations touch, by suffix.
local function check_late(prefix, sections)
  local days = {}
  for _, operations in ipairs(sections) do
    for _, op in ipairs(operations) do
      local head = heads[op[1]]
      local state, ttl = head[4], head[5]
      if state and not days[state] then
        local key = prefix .. state
        local found = call('HMGET', key, 'changes', 'sealed')
        local changes = found[1] or '0'
        expect(changes:match('^%d+$') and #changes < 16, key)
        if found[2] then expect_sealed_days(prefix .. P.sealed_suffix) end
        days[state] = { key = key, ttl = ttl + 0, sealed = found[2], lists_ttl = 0 }
      end
      if state then days[state].lists_ttl = math.max(days[state].lists_ttl, head[3], head[#head]) end
    end
  end
  return days
end

-- The operations on top lists, and for each list of a sealed day one more with all that its hours get.
local function with_sealed_tops(operations, days)
  if not next(days) then return operations end
  local all, sums = {}, {}
  for i, op in ipairs(operations) do
    local _, _, _, state, _, suffix, overs, ttl = unpack(heads[op[1]])
    all[i] = op
    if state and days[state].sealed then
      local sum = sums[suffix]
      if not sum then
        heads[#heads + 1] = { suffix, overs, ttl }
        sum = { place = #heads, items = {}, counts = {}, at = {} }
        sums[suffix] = sum
      end
      for j, item in ipairs(op[2]) do
        local at = sum.at[item] or #sum.items + 1
        sum.at[item], sum.items[at] = at, item
        sum.counts[at] = (sum.counts[at] or 0) + op[3][j]
      end
    end
  end
  for _, sum in pairs(sums) do all[#all + 1] = { sum.place, sum.items, sum.counts } end
  return all
end

-- Admits to the lists of sealed days what was admitted to the lists of their hours.
local function admit_to_sealed(prefix, found, days)
  local lengths = {}
  for i = 1, #found.admitted do
    local hour = found.admitted[i]
    local _, _, _, state, _, suffix, ttl = unpack(hour.head)
    if state and days[state].sealed then
      local length = lengths[suffix] or call('LLEN', prefix .. suffix)
      if length >= P.digest_elements_max then found.full[#found.full + 1] = suffix end
      found.admitted[#found.admitted + 1] = { suffix = suffix, ttl = ttl + 0, length = length, blob = hour.blob }
      lengths[suffix] = math.max(length, 1) + 1 -- the first blob comes with a header
    end
  end
end

-- Marks the days as changed. One that is not sealed is to be folded again, but not at once: more may be coming.
local function mark_late(root, days)
  for suffix, day in pairs(days) do
    call('HINCRBY', day.key, 'changes', 1)
    call('EXPIRE', day.key, day.ttl)
    if day.sealed then
      local sealed = root .. ':' .. P.sealed_suffix
      call('ZADD', sealed, 'GT', now + day.lists_ttl, suffix)
      call('EXPIRE', sealed, day.ttl)
    else
      local field, due = 'd:' .. suffix, now + P.roll_settle_seconds
      local noted = tonumber(call('HGET', root, field) or '') or math.huge
      if noted > due then call('HSET', root, field, due) end
    end
  end
end

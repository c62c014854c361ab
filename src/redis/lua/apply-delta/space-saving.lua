-- Top-k lists: Space-Saving, as in sketches/space-saving.ts. One operation a list.

-- Redis writes numbers of Lua as floating point, which takes it twice as long.
local format = string.format

local function check_tops(prefix, operations)
  local lists, seen = {}, {}
  for i, op in ipairs(operations) do
    local list_suffix, overs_suffix, ttl = unpack(heads[op[1]])
    local list = { key = prefix .. list_suffix, overs = prefix .. overs_suffix, ttl = ttl + 0 }
    expect_once(seen, list_suffix)
    list.counts, list.absent = look_up('ZMSCORE', list.key, op[2], op[3])
    if list.absent > 0 then
      list.card = call('ZCARD', list.key)
      list.floor = count_of(call('HGET', list.overs, '') or '0', list.overs)
    end
    lists[i] = list
  end
  return lists
end

-- Removes the smallest; the largest count removed is the new floor.
local function cut(list, excess)
  local evicted, items = call('ZPOPMIN', list.key, excess), {}
  for i = 1, #evicted, 2 do items[#items + 1] = evicted[i] end
  if list.floor > 0 then in_slices('HDEL', list.overs, items) end
  call('HSET', list.overs, '', math.max(list.floor, tonumber(evicted[#evicted])))
  if list.floor == 0 then
    local left = call('PTTL', list.key)
    call('PEXPIRE', list.overs, left > 0 and left or list.ttl * 1000)
  end
end

local function write_tops(operations, lists)
  for place, op in ipairs(operations) do
    local list, items, added = lists[place], op[2], op[3]
    local counts, floor, scores, entering = list.counts, list.floor, {}, {}
    for i = 1, #items do
      local count = counts[i]
      if not count then
        count = floor
        entering[#entering + 1], entering[#entering + 2] = items[i], floor
      end
      scores[2 * i - 1], scores[2 * i] = format('%d', count + added[i]), items[i]
    end
    in_slices('ZADD', list.key, scores)
    if list.absent > 0 then
      if list.card == 0 then call('EXPIRE', list.key, list.ttl) end
      if floor > 0 then in_slices('HSET', list.overs, entering) end
      -- All items of a list may have been removed: then its floor lives on, and has to as long as the new list.
      if list.card == 0 and floor > 0 then call('EXPIRE', list.overs, list.ttl) end
      local excess = list.card + list.absent - P.top_items_max
      if excess > 0 then cut(list, excess) end
    end
  end
end

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

-- Newcomers by what they bring, the largest first, among equals in their order: { { count, { place... } }... }.
local function rank(newcomers, added)
  local by_count, ranks = {}, {}
  for _, place in ipairs(newcomers) do
    local count = added[place]
    if not by_count[count] then
      by_count[count] = { count, {} }
      ranks[#ranks + 1] = by_count[count]
    end
    local places = by_count[count][2]
    places[#places + 1] = place
  end
  table.sort(ranks, function(a, b) return a[1] > b[1] end)
  return ranks
end

-- Which of more newcomers than fit a list enter it, once its other counts are up to date: their places, and the
-- largest count that does not enter, 0 where all do. What would leave again at once is never written.
local function admit_newcomers(list, newcomers, added)
  local free, entering = P.top_items_max - list.card, {}
  for _, ranked in ipairs(rank(newcomers, added)) do
    local count, places = list.floor + ranked[1], ranked[2]
    local smaller = call('ZCOUNT', list.key, '-inf', '(' .. format('%d', count))
    local room = math.min(#places, free + smaller - #entering)
    for i = 1, room do entering[#entering + 1] = places[i] end
    if room < #places then return entering, count end
  end
  return entering, 0
end

-- Removes the smallest; the largest count removed, 0 where none is.
local function evict(list, excess)
  if excess <= 0 then return 0 end
  local evicted, items = call('ZPOPMIN', list.key, excess), {}
  for i = 1, #evicted, 2 do items[#items + 1] = evicted[i] end
  if list.floor > 0 then in_slices('HDEL', list.overs, items) end
  return tonumber(evicted[#evicted])
end

local function raise_floor(list, floor)
  if floor <= list.floor then return end
  call('HSET', list.overs, '', floor)
  if list.floor == 0 then
    local left = call('PTTL', list.key)
    call('PEXPIRE', list.overs, left > 0 and left or list.ttl * 1000)
  end
end

local function add_newcomers(list, items, added, newcomers)
  local floor, turned_away = list.floor, 0
  if list.card + list.absent > P.top_items_max then
    newcomers, turned_away = admit_newcomers(list, newcomers, added)
  end
  local scores, overs = {}, {}
  for i, place in ipairs(newcomers) do
    scores[2 * i - 1], scores[2 * i] = format('%d', floor + added[place]), items[place]
    overs[2 * i - 1], overs[2 * i] = items[place], floor
  end
  in_slices('ZADD', list.key, scores)
  if list.card == 0 then call('EXPIRE', list.key, list.ttl) end
  if floor > 0 then
    in_slices('HSET', list.overs, overs)
    -- All items of a list may have been removed: then its floor lives on, and has to as long as the new list.
    if list.card == 0 then call('EXPIRE', list.overs, list.ttl) end
  end
  raise_floor(list, math.max(turned_away, evict(list, list.card + #newcomers - P.top_items_max)))
end

local function write_tops(operations, lists)
  for place, op in ipairs(operations) do
    local list, items, added = lists[place], op[2], op[3]
    local counts, scores, last, newcomers = list.counts, {}, 0, {}
    for i = 1, #items do
      local count = counts[i]
      if count then
        scores[last + 1], scores[last + 2] = format('%d', count + added[i]), items[i]
        last = last + 2
      else
        newcomers[#newcomers + 1] = i
      end
    end
    in_slices('ZADD', list.key, scores)
    if list.absent > 0 then add_newcomers(list, items, added, newcomers) end
  end
end

--[[
Removes items from the top lists of some days of a system: from the lists of the hours and from the day's own. The floor of
a list rises to the largest count removed from it, so that it still bounds whoever is not listed.

What was removed from hours must not come back with a fold that has read them before: the day counts as changed, which such
a fold is refused for (store-day-1.lua). Where the day's own list knew of everything it still does, since it loses
the same here, so readers stay with it.

KEYS[1]  the system's record
ARGV[1]  seconds a day's state lives from now    ARGV[2]  msgpack: { item... }
the others, one a day  msgpack: { suffix of the day's state, { list... } of the day itself, { list... } of its hours },
         a list as two elements: its suffix, and that of its overcounts

Returns  { lists that held any of the items, entries removed }
]]
local root, call = KEYS[1], redis.call
local state_ttl, items = tonumber(ARGV[1]), cmsgpack.unpack(ARGV[2])
local prefix = root .. ':'
local lists, removed = 0, 0

local function remove(list, overs)
  local found, largest = {}, 0
  for i, count in ipairs(call('ZMSCORE', list, unpack(items))) do
    if count then
      found[#found + 1] = items[i]
      largest = math.max(largest, tonumber(count))
    end
  end
  if #found == 0 then return false end
  local floor = tonumber(call('HGET', overs, '') or '0')
  local left = call('PTTL', list)
  -- The floor first: without memory this fails, before anything is removed.
  call('HSET', overs, '', math.max(floor, largest))
  if left > 0 then call('PEXPIRE', overs, left) end
  call('ZREM', list, unpack(found))
  call('HDEL', overs, unpack(found))
  lists, removed = lists + 1, removed + #found
  return true
end

local function remove_from_all(suffixes)
  local any = false
  for i = 1, #suffixes, 2 do
    any = remove(prefix .. suffixes[i], prefix .. suffixes[i + 1]) or any
  end
  return any
end

local function mark_changed(state)
  local found = call('HMGET', state, 'changes', 'rolled', 'sealed')
  if found[3] then return end
  call('HINCRBY', state, 'changes', 1)
  if found[2] and found[2] == (found[1] or '0') then call('HINCRBY', state, 'rolled', 1) end
  call('EXPIRE', state, state_ttl)
end

for i = 3, #ARGV do
  local state, own, hours = unpack(cmsgpack.unpack(ARGV[i]))
  local of_hours = remove_from_all(hours)
  if remove_from_all(own) or of_hours then mark_changed(prefix .. state) end
end
return { lists, removed }

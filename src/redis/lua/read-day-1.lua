--[[
Reads lists of one kind and metric for one day: its own list, those of some of its hours, or both. Whether the own
list knows of everything written is looked at in the same call; where it does, hours are not read.

KEYS[1]  the system's record
ARGV[1]  suffix of the day's state    ARGV[2]  'top' or 'digest'
ARGV[3]  1 where the first list is the day's own, else 0
the others  suffixes: the day's own list where it is asked for, then the hours'; of a top list its overcounts' suffix
            follows each

Returns  { 'day' where the own list knows of everything, else 'hours',
         1 where it lacks hours that were gone when it was folded, else 0,
         a list for each that was read: { item, count... }, { item, overcount... } of a top list, the elements of a
         digest list }
]]
local root, call = KEYS[1], redis.call
local state, kind, own = ARGV[1], ARGV[2], tonumber(ARGV[3])

local prefix = root .. ':'
local first, step = 4, kind == 'top' and 2 or 1
local found = call('HMGET', prefix .. state, 'rolled', 'changes', 'sealed', 'partial')
local is_day = found[3] or (found[1] and found[1] == (found[2] or '0'))

local to = is_day and first + own * step - 1 or #ARGV
local reply = { is_day and 'day' or 'hours', found[4] == '1' and 1 or 0 }
for i = first, to, step do
  local key = prefix .. ARGV[i]
  if kind == 'top' then
    reply[#reply + 1] = call('ZRANGE', key, 0, -1, 'WITHSCORES')
    reply[#reply + 1] = call('HGETALL', prefix .. ARGV[i + 1])
  else
    reply[#reply + 1] = call('LRANGE', key, 0, -1)
  end
end
return reply

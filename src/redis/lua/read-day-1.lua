--[[
Reads the lists of one kind and metric for one day: its own list where that knows of everything written, else those
of its hours. One call, so that no fold and no late event comes between the question and the lists.

KEYS[1]  the system's record
ARGV[1]  suffix of the day's state    ARGV[2]  'top' or 'digest'
the others  suffixes: the day's own list, then the hours'; of a top list its overcounts' suffix follows each

Returns  { 'day' or 'hours', 1 where the day's own list lacks hours that were gone when it was folded, else 0,
         a list for each suffix that was read: { item, count... }, { item, overcount... } of a top list, the
         elements of a digest list }
]]
local root, call = KEYS[1], redis.call
local state, kind = ARGV[1], ARGV[2]

local prefix = root .. ':'
local first, step = 3, kind == 'top' and 2 or 1
local found = call('HMGET', prefix .. state, 'rolled', 'changes', 'sealed', 'partial')
local is_rolled = found[3] or (found[1] and found[1] == (found[2] or '0'))

local from, to = first + step, #ARGV
if is_rolled then from, to = first, first + step - 1 end
local reply = { is_rolled and 'day' or 'hours', is_rolled and found[4] == '1' and 1 or 0 }
for i = from, to, step do
  local key = prefix .. ARGV[i]
  if kind == 'top' then
    reply[#reply + 1] = call('ZRANGE', key, 0, -1, 'WITHSCORES')
    reply[#reply + 1] = call('HGETALL', prefix .. ARGV[i + 1])
  else
    reply[#reply + 1] = call('LRANGE', key, 0, -1)
  end
end
return reply

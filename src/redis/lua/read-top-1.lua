--[[
The largest items of one top list, with all that ties with the last of them and the one that follows.

KEYS[1]  the system's record
ARGV[1]  suffix of the list     ARGV[2]  suffix of its overcounts     ARGV[3]  how many

Returns  { item, count... }, { '', floor, item, overcount... }: what is 0 may be left out
]]
local list, overs = KEYS[1] .. ':' .. ARGV[1], KEYS[1] .. ':' .. ARGV[2]
local wanted = tonumber(ARGV[3])
local call = redis.call

local last = call('ZREVRANGE', list, wanted - 1, wanted - 1, 'WITHSCORES')
local upto = -1
if #last > 0 then upto = call('ZCOUNT', list, last[2], '+inf') end
local pairs = call('ZREVRANGE', list, 0, upto, 'WITHSCORES')

local names = { '' }
for i = 1, #pairs, 2 do names[#names + 1] = pairs[i] end
local found, known = call('HMGET', overs, unpack(names)), {}
for i, name in ipairs(names) do
  if found[i] then known[#known + 1], known[#known + 2] = name, found[i] end
end
return { pairs, known }

--[[
One page of the directory, by name.

KEYS[1]  names: sorted set     KEYS[2]  last: hash
ARGV[1]  the name after which the page begins, '' for the first page
ARGV[2]  how many systems at the most

Returns  { how many systems there are, name, last event, name, last event... }
]]
local names, last = KEYS[1], KEYS[2]
local after, limit = ARGV[1], tonumber(ARGV[2])

local page = redis.call('ZRANGEBYLEX', names, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, limit)
local reply = { redis.call('ZCARD', names) }
if #page > 0 then
  local times = redis.call('HMGET', last, unpack(page))
  for i, name in ipairs(page) do
    reply[#reply + 1] = name
    reply[#reply + 1] = times[i] or ''
  end
end
return reply

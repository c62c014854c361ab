--[[
Ends a computation: stores its answer, unless a later one is there, and gives the lock back, unless somebody has
taken it over.

KEYS[1]  the answer: hash of computed, fresh and answer     KEYS[2]  the lock
ARGV[1]  the caller's token
ARGV[2]  milliseconds the answer is of any use; 0: there is none, and an older one is not to be used any more;
         -1: there is none, and what is there stays
ARGV[3]  computed, epoch milliseconds of Redis' clock     ARGV[4]  milliseconds from then that it is fresh
ARGV[5]  answer

Returns  1 stored, 0 not
]]
local entry, lock = KEYS[1], KEYS[2]
local token, ttl = ARGV[1], tonumber(ARGV[2])
local computed, fresh_ms, answer = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- When what is there was computed; -1 where that is after now: then the clock went back, and its age is unknown.
local function last_computed()
  local found = tonumber(redis.call('HGET', entry, 'computed') or -1)
  return found > now and -1 or found
end

local stored = 0
if ttl == 0 then
  redis.call('DEL', entry)
elseif ttl > 0 and last_computed() <= computed then
  local fresh = string.format('%.0f', computed + fresh_ms)
  redis.call('HSET', entry, 'computed', ARGV[3], 'fresh', fresh, 'answer', answer)
  redis.call('PEXPIRE', entry, ttl)
  stored = 1
end
if redis.call('GET', lock) == token then redis.call('DEL', lock) end
return stored

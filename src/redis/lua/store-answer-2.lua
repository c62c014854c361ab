--[[
Ends a computation: stores its answer, unless a later one is there, and gives the lock back, unless somebody has
taken it over.

KEYS[1]  the answer: hash of computed, fresh and answer     KEYS[2]  the lock
ARGV[1]  the caller's token
ARGV[2]  milliseconds the answer is of any use; 0: there is none, and an older one is not to be used any more;
         -1: there is none, and what is there stays
ARGV[3]  computed, epoch milliseconds     ARGV[4]  fresh until, epoch milliseconds     ARGV[5]  answer

Returns  1 stored, 0 not
]]
local entry, lock = KEYS[1], KEYS[2]
local token, ttl, computed = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local fresh, answer = ARGV[4], ARGV[5]

local stored = 0
if ttl == 0 then
  redis.call('DEL', entry)
elseif ttl > 0 and tonumber(redis.call('HGET', entry, 'computed') or -1) <= computed then
  redis.call('HSET', entry, 'computed', ARGV[3], 'fresh', fresh, 'answer', answer)
  redis.call('PEXPIRE', entry, ttl)
  stored = 1
end
if redis.call('GET', lock) == token then redis.call('DEL', lock) end
return stored

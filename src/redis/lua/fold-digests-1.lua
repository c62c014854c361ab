--[[
Puts one digest in the place of the oldest blobs of a digest list, if nobody else has done so since they were
read. Blobs appended meanwhile stay, and so does the TTL, since the list never becomes empty.

KEYS[1]  the list: header, blob...
ARGV[1]  the header that was read    ARGV[2]  how many blobs were read
ARGV[3]  the header to put there     the others: what to put in the place of those blobs, fewer than they were

Returns  1 folded, 0 the list has changed hands
]]
local key, header, blobs = KEYS[1], ARGV[1], tonumber(ARGV[2])
local next_header, put = ARGV[3], #ARGV - 3

if redis.call('LINDEX', key, 0) ~= header or redis.call('LLEN', key) < blobs + 1 then return 0 end
redis.call('LTRIM', key, blobs - put, -1)
redis.call('LSET', key, 0, next_header)
for i = 1, put do redis.call('LSET', key, i, ARGV[i + 3]) end
return 1

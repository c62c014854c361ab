--[[
Gives a lease back, so that another can take it at once.

KEYS[1]  holder: the id of who holds the lease
ARGV[1]  id of who gives it back

Returns  1 given back, 0 it was not his
]]
local holder, id = KEYS[1], ARGV[1]

if redis.call('GET', holder) ~= id then return 0 end
return redis.call('DEL', holder)

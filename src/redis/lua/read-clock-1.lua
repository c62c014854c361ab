--[[
The clock that all processes share: that of the node which serves a key.

KEYS[1]  any key of the slot; it is not read

Returns  epoch milliseconds
]]
local _ = KEYS[1]

local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000)

--[[
Reads the counters of failed log-ins of one day, and for which of its hours these are all there were.

KEYS[1]  the system's record; the other keys are its key .. ':' .. suffix
ARGV[1]  suffix of the written hours of the day    ARGV[2]  suffix of the counters, '' where only the hours are asked for

Returns  { { field, value... }, hours of the day that are not known in full, hours that are }; the last only where there
         are some of the former
]]
local root, written, counters = KEYS[1], ARGV[1], ARGV[2]

--- @include logins/counted-hours.lua

local found = {}
if counters ~= '' then found = redis.call('HGETALL', root .. ':' .. counters) end
return { found, counted_hours(root, written) }

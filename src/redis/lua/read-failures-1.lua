--[[
Reads the counters of failed log-ins of one day, and for which of its hours these are all there were: an hour that was
first written before they were counted, by an earlier release, is not known in full.

KEYS[1]  the system's record; the other keys are its key .. ':' .. suffix
ARGV[1]  suffix of the written hours of the day    ARGV[2]  suffix of the counters, '' where only the hours are asked for
the others  fields of the counters; none: all of them

Returns  { what was found: value or false for each field, or field, value... of all,
         hours of the day that are not known in full, hours that are }; the last only where there are some of the former
]]
local root, call = KEYS[1], redis.call
local written, counters = root .. ':' .. ARGV[1], ARGV[2]

local found = {}
if counters ~= '' and #ARGV > 2 then
  found = call('HMGET', root .. ':' .. counters, unpack(ARGV, 3))
elseif counters ~= '' then
  found = call('HGETALL', root .. ':' .. counters)
end

local record = call('HMGET', root, 'since', 'failed_logins')
local since, counted = tonumber(record[1] or 0), tonumber(record[2] or math.huge)
if counted <= since then return { found, {}, {} } end

local unknown, known = {}, {}
local hours = call('HGETALL', written)
for i = 1, #hours, 2 do
  local list = tonumber(hours[i + 1]) < counted and unknown or known
  list[#list + 1] = tonumber(hours[i])
end
if #unknown == 0 then known = {} end
return { found, unknown, known }

--[[
How many log-ins there were in an hour and in its day, and how many of them failed. All of them are told by the top lists
of event types, which hold every type, since there are few. The day is read folded or from its hours, as in
read-day-1.lua.

KEYS[1]  the system's record; every other key is its key .. ':' .. suffix
ARGV[1]  event type    ARGV[2]  suffix of the day's state    ARGV[3]  suffix of the day's own list
ARGV[4]  what begins the suffixes of the lists of its hours; the hour of the day in two digits ends them
ARGV[5]  the hour of the day, two digits
ARGV[6]  suffix of the written hours of the day    ARGV[7]  suffix of its counters of failed log-ins
ARGV[8]  field of the hour    ARGV[9]  field of the day

Returns  { 'day' where the list of the day holds every event, else 'hours',
         1 where it lacks hours that were gone when it was folded, else 0,
         which of the lists read hold the type: '1' or '0' for each, in order,
         log-ins in the hour, in the day, failed ones in the hour, in the day,
         hours of the day whose failed log-ins are not known in full }
]]
local root, call = KEYS[1], redis.call
local item, state, own, hours, asked = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local written, counters, of_hour, of_day = ARGV[6], ARGV[7], ARGV[8], ARGV[9]

--- @include logins/counted-hours.lua

local prefix = root .. ':'
local function count(suffix)
  local score = call('ZSCORE', prefix .. suffix, item)
  if score then return tonumber(score), '1' end
  return 0, '0'
end

local source, in_hour, in_day, hold = 'hours', 0, 0, {}
local found = call('HMGET', prefix .. state, 'rolled', 'changes', 'sealed', 'partial')
if found[3] or (found[1] and found[1] == (found[2] or '0')) then
  source = 'day'
  in_hour = count(hours .. asked)
  in_day, hold[1] = count(own)
else
  for hour = 0, 23 do
    local name = (hour < 10 and '0' or '') .. hour
    local in_this, holds = count(hours .. name)
    if name == asked then in_hour = in_this end
    in_day, hold[hour + 1] = in_day + in_this, holds
  end
end

local failed = call('HMGET', prefix .. counters, of_hour, of_day)
local unknown = counted_hours(root, written)
return {
  source, source == 'day' and found[4] == '1' and 1 or 0, table.concat(hold),
  in_hour, in_day, tonumber(failed[1] or 0), tonumber(failed[2] or 0), unknown,
}

-- For which hours of a day the counters of failed log-ins are all there were. An hour that was first written before they
-- were counted, by an earlier release, is not known in full.

-- The hours of the day that are not known in full, and where there are any, those that are.
local function counted_hours(root, written)
  local record = redis.call('HMGET', root, 'since', 'failed_logins')
  local since, counted = tonumber(record[1] or 0), tonumber(record[2] or math.huge)
  if counted <= since then return {}, {} end
  local unknown, known = {}, {}
  local hours = redis.call('HGETALL', root .. ':' .. written)
  for i = 1, #hours, 2 do
    local list = tonumber(hours[i + 1]) < counted and unknown or known
    list[#list + 1] = tonumber(hours[i])
  end
  if #unknown == 0 then known = {} end
  return unknown, known
end

-- What the sketches share: checks, and lists of any length.

local function expect(condition, key)
  if not condition then error('WRONGTYPE ' .. key .. ' does not hold the sketch that its name says') end
end

-- The count that a stored text is.
local function count_of(text, key)
  local count = tonumber(text)
  expect(count and count >= 0 and count < math.huge, key)
  return count
end

-- Each operation is checked for itself, so a second one on the same key would be checked against old facts.
local function expect_once(seen, suffix)
  if seen[suffix] then error('a part names ' .. suffix .. ' twice') end
  seen[suffix] = true
end

-- A command with a list of any length, in slices that Lua can unpack; the replies as one list.
local function in_slices(command, key, list)
  if #list <= P.slice then return #list == 0 and {} or call(command, key, unpack(list)) end
  local replies = {}
  for i = 1, #list, P.slice do
    local reply = call(command, key, unpack(list, i, math.min(i + P.slice - 1, #list)))
    if type(reply) == 'table' then
      for j = 1, #reply do replies[i + j - 1] = reply[j] end
    end
  end
  return replies
end

-- What `key` holds for some names, each of which comes with a count: numbers, false where nothing. And how many
-- are absent.
local function look_up(command, key, names, counts)
  local found, absent, total = in_slices(command, key, names), 0, 0
  for i = 1, #names do
    local text = found[i]
    total = total + counts[i] -- fails where that is no number
    if text then
      found[i] = count_of(text, key)
    else
      absent = absent + 1
    end
  end
  return found, absent
end

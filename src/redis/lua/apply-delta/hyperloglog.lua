-- HyperLogLogs: a native type, so only their bytes are looked at.

local function check_distinct(prefix, operations)
  local exists = {}
  for _, op in ipairs(operations) do
    local head = heads[op[1]]
    for i = 1, #head, 2 do
      local key = prefix .. head[i]
      local header = call('GETRANGE', key, 0, 15)
      local encoding = header:byte(5)
      expect(header == '' or (#header == 16 and header:sub(1, 4) == 'HYLL'
        and (encoding == 1 or (encoding == 0 and call('STRLEN', key) == P.hyperloglog_dense_bytes))), key)
      exists[key] = header ~= ''
      assert(tonumber(head[i + 1]), 'a TTL is no number')
    end
  end
  return exists
end

local function write_distinct(prefix, operations, exists)
  for _, op in ipairs(operations) do
    local head = heads[op[1]]
    for i = 1, #head, 2 do
      local key = prefix .. head[i]
      in_slices('PFADD', key, op[2])
      if not exists[key] then call('EXPIRE', key, head[i + 1]) end
      exists[key] = true
    end
  end
end

-- Part of other scripts. The server's last writes may be lost when it ends, and offsets are then given again. So the
-- first write to a stream, or look at it, in a run of the server notes where the stream ends: an epoch begins there.
local MOST_EPOCHS = 16

local function server_run() -- '' where the user may not ask
  local info = redis.pcall('INFO', 'server')
  local at = type(info) == 'string' and string.find(info, 'run_id:', 1, true)
  return at and string.sub(info, at + 7, at + 46) or ''
end

local function next_offset(stream)
  local info = redis.pcall('XINFO', 'STREAM', stream)
  if info.err then return 0 end
  local fields = {}
  for at = 1, #info, 2 do fields[info[at]] = info[at + 1] end
  local last = string.match(fields['last-generated-id'], '^0%-(%d+)$')
  if last then return tonumber(last) end
  -- somebody else wrote to it: the log's own end is before that, or all of it was trimmed
  local ours = redis.call('XREVRANGE', stream, '0-18446744073709551615', '-', 'COUNT', 1)[1]
  return ours and tonumber(string.sub(ours[1], 3)) or fields['entries-added'] - fields['length']
end

-- Return the epochs of a stream, newest first: run, offset, and when that was noted (ms), 'run:12:1700000000000 ...'.
local function opened(epochs, topic, stream, run)
  local known = redis.call('HGET', epochs, topic) or ''
  if run == '' or string.sub(known, 1, #run) == run then return known end
  local clock = redis.call('TIME')
  local noted_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
  local kept, count = string.format('%s:%.0f:%.0f', run, next_offset(stream), noted_ms), 1
  for epoch in string.gmatch(known, '%S+') do
    if count == MOST_EPOCHS then break end
    kept, count = kept .. ' ' .. epoch, count + 1
  end
  redis.call('HSET', epochs, topic, kept)
  return kept
end

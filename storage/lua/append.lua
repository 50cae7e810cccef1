-- Append entries to one partition, all or none.
-- KEYS: stream, time index[, fence]   ARGV: generation or '', then per entry: ms or '', n, n field values
local stream, times = KEYS[1], KEYS[2]
if ARGV[1] ~= '' then
  local owner = redis.call('GET', KEYS[3])
  if owner and tonumber(owner) > tonumber(ARGV[1]) then return {'FENCED', owner} end
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local first, at = nil, 2
local newest = redis.call('ZREVRANGE', times, 0, 0, 'WITHSCORES')
local newest_ms = newest[2] and tonumber(newest[2]) or -1000
while at <= #ARGV do
  local ms = ARGV[at] ~= '' and tonumber(ARGV[at]) or now
  local n = tonumber(ARGV[at + 1])
  local id = redis.call('XADD', stream, '0-*', 't', string.format('%.0f', ms), unpack(ARGV, at + 2, at + 1 + n))
  local offset = tonumber(string.sub(id, 3)) - 1
  first = first or offset
  if ms >= newest_ms + 1000 then
    redis.call('ZADD', times, ms, offset)
    newest_ms = ms
  end
  at = at + 2 + n
end
return {'OK', first}

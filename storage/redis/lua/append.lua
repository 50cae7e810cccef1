-- Append entries to one partition, all or none.
-- KEYS: stream, time index, epochs[, fence]
-- ARGV: topic, generation or '', the run of the server that the writer knows or '', then per entry: ms or '', number
--   of words n, n field and value words
-- Reply: OK and the first offset (-1 for no entries) | FENCED and the owner | FOREIGN and the stream | RESTARTED
-- part: opening
local stream, times = KEYS[1], KEYS[2]
if ARGV[2] ~= '' then
  local owner = redis.call('GET', KEYS[4])
  if owner and tonumber(owner) > tonumber(ARGV[2]) then return { 'FENCED', owner } end
end
local run = server_run()
if ARGV[3] ~= '' and ARGV[3] ~= run then return { 'RESTARTED' } end
opened(KEYS[3], ARGV[1], stream, run)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local newest = redis.call('ZREVRANGE', times, 0, 0, 'WITHSCORES')
local indexed_ms = newest[2] and tonumber(newest[2])
local first, at = -1, 4
while at <= #ARGV do
  local ms = ARGV[at] ~= '' and tonumber(ARGV[at]) or now
  local n = tonumber(ARGV[at + 1])
  local id = redis.pcall('XADD', stream, '0-*', 't', string.format('%.0f', ms), unpack(ARGV, at + 2, at + 1 + n))
  if type(id) == 'table' then
    -- the ids only rise, so it is the first entry or none that fails for a foreign id
    if string.find(id.err, 'target stream top item', 1, true) then return { 'FOREIGN', stream } end
    return id
  end
  local offset = tonumber(string.sub(id, 3)) - 1
  if first < 0 then first = offset end
  if not indexed_ms or ms >= indexed_ms + 1000 then
    redis.call('ZADD', times, string.format('%.0f', ms), string.format('%.0f', offset))
    indexed_ms = ms
  end
  at = at + 2 + n
end
return { 'OK', first }

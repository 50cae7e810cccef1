-- Append entries to one partition, all or none.
-- KEYS: stream, time index, epochs, offsets of newest entries, tombstones[, fence]
-- ARGV: topic, generation or '', the run of the server that the writer knows or '', '' or for how many ms tombstones
--   are kept if the partition is compacted, then per entry: ms or '', number of words n, n field and value words
-- Reply: OK and the first offset (-1 for no entries) | FENCED and the owner | FOREIGN and the stream | RESTARTED
-- part: opening
local stream, times = KEYS[1], KEYS[2]
if ARGV[2] ~= '' then
  local owner = redis.call('GET', KEYS[6])
  if owner and tonumber(owner) > tonumber(ARGV[2]) then return { 'FENCED', owner } end
end
local run = server_run()
if ARGV[3] ~= '' and ARGV[3] ~= run then return { 'RESTARTED' } end
opened(KEYS[3], ARGV[1], stream, run)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local newest = redis.call('ZREVRANGE', times, 0, 0, 'WITHSCORES')
local indexed_ms = newest[2] and tonumber(newest[2])
local kept_ms = tonumber(ARGV[4])
local top = -1

local function offset_text(offset) return string.format('%.0f', offset) end

local function remove(offset) -- never the last entry: readers tell by it how far there is to read
  if offset < top then redis.call('XDEL', stream, '0-' .. offset_text(offset + 1)) end
end

local function supersede(offset, from, to)
  local key, has_value
  for word = from, to, 2 do
    if ARGV[word] == 'k' then key = ARGV[word + 1] elseif ARGV[word] == 'v' then has_value = true end
  end
  if not key then return end
  local older = redis.call('HGET', KEYS[4], key)
  if older then remove(tonumber(older)) end
  redis.call('HSET', KEYS[4], key, offset_text(offset))
  if not has_value then redis.call('RPUSH', KEYS[5], offset_text(now) .. ':' .. offset_text(offset) .. ':' .. key) end
end

local function drop_tombstones()
  while true do
    local oldest = redis.call('LINDEX', KEYS[5], 0)
    if not oldest then return end
    local ms, offset, key = string.match(oldest, '^(%d+):(%d+):(.*)$')
    if tonumber(ms) > now - kept_ms or tonumber(offset) >= top then return end
    redis.call('LPOP', KEYS[5])
    if redis.call('HGET', KEYS[4], key) == offset then
      redis.call('HDEL', KEYS[4], key)
      remove(tonumber(offset))
    end
  end
end

local first, at = -1, 5
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
  top = offset
  if not indexed_ms or ms >= indexed_ms + 1000 then
    redis.call('ZADD', times, string.format('%.0f', ms), string.format('%.0f', offset))
    indexed_ms = ms
  end
  if kept_ms then supersede(offset, at + 2, at + 1 + n) end
  at = at + 2 + n
end
if kept_ms and first >= 0 then drop_tombstones() end
return { 'OK', first }

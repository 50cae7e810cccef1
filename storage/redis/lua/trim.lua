#!lua flags=allow-oom
-- Remove entries below an offset, a bounded number a call, and the time index's points to them.
-- KEYS: stream, time index, offsets of newest entries   ARGV: offset, limit
-- Reply: OK, first offset still stored, and 1 if there is more to remove | FOREIGN and the stream
local function span()
  local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
  if info.err then
    if string.find(info.err, 'no such key', 1, true) then return 0, 0 end
    error(info.err)
  end
  local fields = {}
  for at = 1, #info, 2 do fields[info[at]] = info[at + 1] end
  local top = fields['last-generated-id']
  if string.sub(top, 1, 2) ~= '0-' then return nil end
  local following = tonumber(string.sub(top, 3))
  if fields['length'] == 0 then return following, following end
  return tonumber(string.sub(fields['recorded-first-entry-id'], 3)) - 1, following
end

local first, following = span()
if not first then return { 'FOREIGN', KEYS[1] } end
local wanted = math.min(tonumber(ARGV[1]), following)
local target = math.min(wanted, first + tonumber(ARGV[2]))
if target <= first then return { 'OK', first, 0 } end
if redis.call('EXISTS', KEYS[3]) == 1 then -- compacted: what is known of a key goes with its entry
  for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '0-' .. string.format('%.0f', target))) do
    local offset, fields = string.format('%.0f', tonumber(string.sub(entry[1], 3)) - 1), entry[2]
    for at = 1, #fields, 2 do
      if fields[at] == 'k' and redis.call('HGET', KEYS[3], fields[at + 1]) == offset then
        redis.call('HDEL', KEYS[3], fields[at + 1])
      end
    end
  end
end
redis.call('XTRIM', KEYS[1], 'MINID', '=', '0-' .. string.format('%.0f', target + 1))
first = span()
while true do -- keep the newest point at or below the first entry: later entries are judged by it
  local second = redis.call('ZRANGE', KEYS[2], 1, 1)[1]
  if not second or tonumber(second) > first then break end
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, 0)
end
return { 'OK', first, target < wanted and 1 or 0 }

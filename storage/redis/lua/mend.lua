-- Take out of a stream what somebody else wrote, so that the next offset follows the last one of the log.
-- KEYS: stream, the stream as it is made anew, stream of what is put aside   ARGV: limit
-- Reply: OK, entries put aside by this call, and 1 if there is more to do
-- A stream's last id never falls (XSETID), so its entries are copied, some a call. Nothing is written to it meanwhile:
-- appends are refused until this ends, and it ends in one step.
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if info.err then
  if string.find(info.err, 'no such key', 1, true) then
    redis.call('DEL', KEYS[2]) -- of a mending that did not end, of a stream that is gone since
    return { 'OK', 0, 0 }
  end
  return info
end
local fields = {}
for at = 1, #info, 2 do fields[info[at]] = info[at + 1] end
if string.sub(fields['last-generated-id'], 1, 2) == '0-' then return { 'OK', 0, 0 } end

local limit = tonumber(ARGV[1])
local function copy(to, first, last)
  local newest = redis.call('XREVRANGE', to, '+', '-', 'COUNT', 1)[1]
  local from = newest and '(' .. newest[1] or first
  local found = redis.call('XRANGE', KEYS[1], from, last, 'COUNT', limit)
  for _, entry in ipairs(found) do redis.call('XADD', to, entry[1], unpack(entry[2])) end
  return #found
end

local kept = copy(KEYS[2], '0-1', '0-18446744073709551615')
if kept == limit then return { 'OK', 0, 1 } end
local aside = copy(KEYS[3], '1-0', '+')
if aside == limit then return { 'OK', aside, 1 } end

local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
local last = newest and newest[1]
if not last then -- all of it was trimmed: each entry that was ever added took one offset, or none
  last = '0-' .. string.format('%.0f', fields['entries-added'] - fields['length'])
  redis.call('DEL', KEYS[2])
  if last ~= '0-0' then
    redis.call('XADD', KEYS[2], last, 'v', '')
    redis.call('XDEL', KEYS[2], last)
  end
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  -- so that it tells how many there ever were, though those that were trimmed are not copied
  redis.call('XSETID', KEYS[2], last, 'ENTRIESADDED', string.sub(last, 3), 'MAXDELETEDID', '0-0')
  redis.call('RENAME', KEYS[2], KEYS[1])
else
  redis.call('DEL', KEYS[1])
end
return { 'OK', aside, 0 }

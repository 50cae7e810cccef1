-- Find the first entry that is not older than a time; looks at a bounded number of entries.
-- KEYS: stream, time index   ARGV: ms, offset to start from or '' for where the index points, limit
-- Reply: FOUND and the offset | MORE and the offset to look on from | NONE
local from = ARGV[2]
if from == '' then -- every entry before an indexed one is older than that one or as old
  from = redis.call('ZREVRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '-inf', 'LIMIT', 0, 1)[1] or '0'
end
local start = '0-' .. string.format('%.0f', tonumber(from) + 1)
local entries = redis.call('XRANGE', KEYS[1], start, '0', 'COUNT', ARGV[3])
local wanted, offset = tonumber(ARGV[1]), nil
for _, entry in ipairs(entries) do
  offset = tonumber(string.sub(entry[1], 3)) - 1
  if entry[2][1] == 't' and tonumber(entry[2][2]) >= wanted then return { 'FOUND', offset } end
end
if #entries < tonumber(ARGV[3]) then return { 'NONE' } end
return { 'MORE', offset + 1 }

-- Tell which offsets a partition holds, without sending any entry.
-- KEYS: stream
-- Reply: OK, first and next offset | FOREIGN and the stream
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if info.err then
  if string.find(info.err, 'no such key', 1, true) then return { 'OK', 0, 0 } end
  return info
end
local fields = {}
for at = 1, #info, 2 do fields[info[at]] = info[at + 1] end
local top = fields['last-generated-id']
if string.sub(top, 1, 2) ~= '0-' then return { 'FOREIGN', KEYS[1] } end
local following = tonumber(string.sub(top, 3))
if fields['length'] == 0 then return { 'OK', following, following } end
return { 'OK', tonumber(string.sub(fields['recorded-first-entry-id'], 3)) - 1, following }

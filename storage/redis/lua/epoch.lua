#!lua flags=allow-oom
-- Tell what of a stream was lost since an earlier run of the server.
-- KEYS: epochs hash, stream   ARGV: topic, that run, or '' for none
-- Reply: the present run, and the first offset whose entry may be another one now, -1 for none
-- part: opening
local run, since, lost = server_run(), ARGV[2], -1
local epochs = opened(KEYS[1], ARGV[1], KEYS[2], run)
if since == '' then return { run, -1 } end
for epoch in string.gmatch(epochs, '%S+') do
  local its_run, offset = string.match(epoch, '(%x+):(%d+)')
  if its_run == since then break end
  lost = lost < 0 and tonumber(offset) or math.min(lost, tonumber(offset))
end
return { run, lost }

-- Uploads a file: luajit upload.lua FILE URL
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local bitsup = require("bitsup")

if #arg ~= 2 then
  io.stderr:write("usage: luajit upload.lua FILE URL\n")
  os.exit(2)
end
local done, failure = pcall(bitsup.upload, arg[1], arg[2], {}, function(acknowledged, total, state)
  io.write(("\r%d of %d bytes, %s   "):format(acknowledged, total, state))
end)
if not done then
  if type(failure) ~= "table" then error(failure, 0) end
  io.stderr:write(("upload: %s\n%s, 0x%08X\n%s\n"):format(failure.message, failure.status, failure.hresult, failure.advice))
  os.exit(1)
end
print()

-- Tests the wrapper: luajit check.lua SCENARIO URL FILE. The caller checks the server afterwards.
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local bitsup = require("bitsup")

local scenario, url, file = arg[1], arg[2], arg[3]
if scenario == "progress" then
  local last, last_total, last_state = 0, 0, ""
  bitsup.upload(file, url, {fragment_size = 65536}, function(acknowledged, total, state)
    assert(acknowledged >= last, "progress went back")
    last, last_total, last_state = acknowledged, total, state
  end)
  assert(last == 600000 and last_total == 600000 and last_state == "done", last_state)
elseif scenario == "refused" then
  local done, failure = pcall(bitsup.upload, file, url)
  assert(not done and failure.status == "REFUSED" and failure.http_status == 403, tostring(failure))
  assert(failure.hresult == 0x80070005 and failure.advice ~= "", failure.hresult)
  done, failure = pcall(bitsup.upload, file, url, {fragment_sise = 1})
  assert(not done and failure.status == "UNSUPPORTED", tostring(failure))
elseif scenario == "lost" then
  bitsup.upload(file, url, {fragment_size = 65536, retry_delay = "10ms", max_retry_delay = "50ms"})
else
  error(scenario)
end

-- Uploads a file with the BITS Upload Protocol through libbitsup: progress and errors. For LuaJIT.
local ffi = require("ffi")

-- From bitsup.h.
ffi.cdef [[
typedef struct bitsup_client bitsup_client;
typedef struct bitsup_upload bitsup_upload;
typedef struct bitsup_options bitsup_options;
typedef struct bitsup_error bitsup_error;
typedef struct {
  size_t struct_size;
  uint64_t total, acknowledged, sent, rate;
  int64_t eta_ms, retry_ms;
  int state;
  uint32_t attempt;
} bitsup_progress;
int bitsup_client_new(void *options, bitsup_client **client, bitsup_error **error);
void bitsup_client_free(bitsup_client *client);
bitsup_options *bitsup_options_new(void);
int bitsup_options_set_by_name(bitsup_options *options, const char *name, const char *value, bitsup_error **error);
void bitsup_options_free(bitsup_options *options);
int bitsup_upload_start(bitsup_client *client, const char *path, const char *url, const bitsup_options *options,
  bitsup_upload **upload, bitsup_error **error);
int bitsup_upload_wait(bitsup_upload *upload, int64_t timeout_ms, bitsup_error **error);
int bitsup_upload_progress(const bitsup_upload *upload, bitsup_progress *progress);
void bitsup_upload_free(bitsup_upload *upload);
const char *bitsup_state_name(uint32_t state);
const char *bitsup_status_name(uint32_t status);
const char *bitsup_error_message(const bitsup_error *error);
const char *bitsup_error_advice(const bitsup_error *error);
uint32_t bitsup_error_http_status(const bitsup_error *error);
uint32_t bitsup_error_hresult(const bitsup_error *error);
void bitsup_error_free(bitsup_error *error);
]]
local C = ffi.load("libbitsup.so.0")
local PENDING = 1

local Error = {__tostring = function(error) return error.message end}

-- Calls a function whose last argument is the place for an error, which is thrown; false while it is pending.
local function call(name, ...)
  local arguments, count = {...}, select("#", ...)
  local place = ffi.new("bitsup_error *[1]")
  arguments[count + 1] = place
  local status = C[name](unpack(arguments, 1, count + 1))
  if status > PENDING then
    local error_ = ffi.gc(place[0], C.bitsup_error_free)
    error(setmetatable({
      status = ffi.string(C.bitsup_status_name(status)),
      message = ffi.string(C.bitsup_error_message(error_)),
      advice = ffi.string(C.bitsup_error_advice(error_)),
      http_status = C.bitsup_error_http_status(error_),
      hresult = C.bitsup_error_hresult(error_),
    }, Error), 0)
  end
  return status ~= PENDING
end

local bitsup = {}

-- Uploads a file and waits for the end. progress(acknowledged, total, state) is called ten times a second and at the
-- end. Options are named as in bitsup.h: fragment_size for BITSUP_OPTION_FRAGMENT_SIZE.
function bitsup.upload(path, url, options, progress)
  -- Nothing is called back: LuaJIT cannot be entered from other threads.
  local client, upload = ffi.new("bitsup_client *[1]"), ffi.new("bitsup_upload *[1]")
  local chosen = ffi.gc(C.bitsup_options_new(), C.bitsup_options_free)
  for name, value in pairs(options or {}) do
    call("bitsup_options_set_by_name", chosen, name, tostring(value))
  end
  call("bitsup_client_new", nil, client)
  local kept_client = ffi.gc(client[0], C.bitsup_client_free)
  call("bitsup_upload_start", kept_client, path, url, chosen, upload)
  local kept = ffi.gc(upload[0], C.bitsup_upload_free)
  local now = ffi.new("bitsup_progress")
  repeat
    local done = call("bitsup_upload_wait", kept, 100)
    now.struct_size = ffi.sizeof(now)
    C.bitsup_upload_progress(kept, now)
    if progress then
      progress(tonumber(now.acknowledged), tonumber(now.total), ffi.string(C.bitsup_state_name(now.state)))
    end
  until done
  C.bitsup_upload_free(ffi.gc(kept, nil))
  C.bitsup_client_free(ffi.gc(kept_client, nil))
end

return bitsup

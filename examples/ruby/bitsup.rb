# Uploads a file with the BITS Upload Protocol through libbitsup: progress and errors.
require 'ffi'

module Bitsup
  # The functions of bitsup.h.
  module C
    extend FFI::Library
    ffi_lib 'libbitsup.so.0'

    class Progress < FFI::Struct
      layout :struct_size, :size_t, :total, :uint64, :acknowledged, :uint64, :sent, :uint64, :rate, :uint64,
             :eta_ms, :int64, :retry_ms, :int64, :state, :int, :attempt, :uint32
    end

    attach_function :bitsup_client_new, %i[pointer pointer pointer], :int
    attach_function :bitsup_client_free, %i[pointer], :void, blocking: true
    attach_function :bitsup_options_new, [], :pointer
    attach_function :bitsup_options_set_by_name, %i[pointer string string pointer], :int
    attach_function :bitsup_options_free, %i[pointer], :void
    attach_function :bitsup_upload_start, %i[pointer string string pointer pointer pointer], :int
    # blocking: other threads of Ruby run meanwhile.
    attach_function :bitsup_upload_wait, %i[pointer int64 pointer], :int, blocking: true
    attach_function :bitsup_upload_progress, %i[pointer pointer], :int
    attach_function :bitsup_upload_free, %i[pointer], :void
    attach_function :bitsup_state_name, %i[uint32], :string
    attach_function :bitsup_status_name, %i[uint32], :string
    attach_function :bitsup_error_message, %i[pointer], :string
    attach_function :bitsup_error_advice, %i[pointer], :string
    attach_function :bitsup_error_http_status, %i[pointer], :uint32
    attach_function :bitsup_error_hresult, %i[pointer], :uint32
    attach_function :bitsup_error_free, %i[pointer], :void
  end

  # Why there is no such file on the server.
  class Error < StandardError
    attr_reader :status, :advice, :http_status, :hresult

    def initialize(status, error)
      super(C.bitsup_error_message(error).force_encoding('UTF-8'))
      @status = C.bitsup_status_name(status)
      @advice = C.bitsup_error_advice(error)
      @http_status = C.bitsup_error_http_status(error)
      @hresult = C.bitsup_error_hresult(error)
      C.bitsup_error_free(error)
    end
  end

  Progress = Struct.new(:acknowledged, :total, :state)
  PENDING = 1

  # Calls a function whose last argument is the place for an error; false while it is pending.
  def self.call(name, *arguments)
    error = FFI::MemoryPointer.new(:pointer)
    status = C.public_send(name, *arguments, error)
    raise Error.new(status, error.read_pointer) if status > PENDING

    status != PENDING
  end

  # Uploads a file and waits for the end; yields a Progress ten times a second and at the end. Options are named as
  # in bitsup.h: fragment_size for BITSUP_OPTION_FRAGMENT_SIZE.
  def self.upload(path, url, options = {})
    client = FFI::MemoryPointer.new(:pointer)
    upload = FFI::MemoryPointer.new(:pointer)
    chosen = C.bitsup_options_new
    call(:bitsup_client_new, nil, client)
    options.each { |name, value| call(:bitsup_options_set_by_name, chosen, name.to_s, value.to_s) }
    call(:bitsup_upload_start, client.read_pointer, path, url, chosen, upload)
    progress = C::Progress.new
    loop do
      done = call(:bitsup_upload_wait, upload.read_pointer, 100)
      progress[:struct_size] = C::Progress.size
      C.bitsup_upload_progress(upload.read_pointer, progress)
      yield Progress.new(progress[:acknowledged], progress[:total], C.bitsup_state_name(progress[:state])) if block_given?
      break if done
    end
  ensure
    C.bitsup_upload_free(upload.read_pointer)
    C.bitsup_options_free(chosen)
    C.bitsup_client_free(client.read_pointer)
  end
end

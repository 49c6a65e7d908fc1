# Uploads a file: ruby upload.rb FILE URL
require_relative 'bitsup'

abort 'usage: ruby upload.rb FILE URL' if ARGV.size != 2
begin
  Bitsup.upload(*ARGV) { |progress| print "\r#{progress.acknowledged} of #{progress.total} bytes, #{progress.state}   " }
  puts
rescue Bitsup::Error => e
  abort format("upload: %s\n%s, 0x%08X\n%s", e.message, e.status, e.hresult, e.advice)
end
